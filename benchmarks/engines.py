"""Enlarging beside other engines, on the same exported network: python -m benchmarks.engines.

OpenVINO and ONNX Runtime (``pip install 'srgan[measure]'``) run ``srresnet`` with as many threads as torch has; one
that is not installed is left out. All in turn; the ratio is of each one's quietest round, since shared machines have
slow spells.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared.measure import interleaved, parse, save, table, timed
from srgan import Upscaler
from srgan.export import export_generator
from srgan.inference import Precision
from srgan.system.memory import keep_memory

Enlarge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_PRECISIONS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16"}  # ours and OpenVINO's names


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    keep_memory()
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "srresnet.onnx"
        if find_spec("onnxscript"):  # what exporting needs
            export_generator(Path("srresnet"), kind="onnx", out=model)
        for side, rounds in ((16, 2),) if options.quick else ((128, 15), (512, 3)):
            cases += _compare(_engines(model), side, rounds=rounds)
    header = ["engine, lr", "s", "of the project's speed", "levels off float32, at most"]
    rows = [[f"{case['engine']} {case['side']}x{case['side']}", *list(case.values())[2:]] for case in cases]
    table("Engines, srresnet", header, rows)
    save("engines", {"cases": cases}, options)


def _compare(engines: dict[str, Enlarge], side: int, *, rounds: int) -> list[dict[str, Any]]:
    lr = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    reference = engines["project fp32"](lr)
    off = {name: float(255 * np.abs(enlarge(lr) - reference).max()) for name, enlarge in engines.items()}
    work = {name: timed(partial(enlarge, lr)) for name, enlarge in engines.items()}
    seconds = interleaved(work, rounds=rounds, warm_up=0)  # each has just been used
    quietest = {name: min(taken) for name, taken in seconds.items()}
    return [
        {
            "engine": name,
            "side": side,
            "seconds": value,
            "ratio": quietest[f"project {name.split()[-1]}"] / value,
            "levels_off": off[name],
        }
        for name, value in quietest.items()
    ]


def _engines(model: Path) -> dict[str, Enlarge]:
    """By name and precision; the exported network clamps to [0, 1], as the project does."""
    engines: dict[str, Enlarge] = {}
    for precision, theirs in _PRECISIONS.items():
        engines[f"project {precision}"] = _project(precision)
        if model.is_file() and find_spec("openvino"):
            engines[f"openvino {precision}"] = _openvino(model, theirs)
    if model.is_file() and find_spec("onnxruntime"):
        engines["onnxruntime fp32"] = _onnxruntime(model)
    return engines


def _project(precision: Precision) -> Enlarge:
    upscaler = Upscaler("srresnet", device="cpu", precision=precision)
    return lambda lr: upscaler.enlarge(torch.from_numpy(lr)).numpy()


def _openvino(model: Path, precision: str) -> Enlarge:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(str(model), "CPU", {**settings, "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    return lambda lr: request.infer({0: lr})[0]


def _onnxruntime(model: Path) -> Enlarge:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # nor take the next one's cores
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda lr: session.run(None, {name: lr})[0]


if __name__ == "__main__":
    main()
