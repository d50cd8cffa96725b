"""A generator as ONNX, and the folder that darktable 5.6 and later takes: ONNX, and what it is for."""

import copy
import json
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from srgan.export.parity import EXAMPLE, Clamped, ExportError, Network
from srgan.networks import Generator

DARKTABLE_TILE = 256  # which darktable cuts pictures into


class _Half(nn.Module):
    """A network in float16 between input and output in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, lr: Tensor) -> Tensor:
        """Map as the network does."""
        sr: Tensor = self.network(lr.half()).float()
        return sr


def write_onnx(
    generator: Generator, described: Mapping[str, str], *, size: int | None = None, half: bool = False
) -> tuple[bytes, Network]:
    """The file, and what it computes: for any size and batch, or one square of ``size`` pixels; ``half`` in float16."""
    _require_onnx()
    import onnxruntime

    dim = torch.export.Dim
    sides = {0: dim("batch", min=1), 2: dim("height", min=1), 3: dim("width", min=1)}
    network: nn.Module = Clamped(generator)
    program = torch.onnx.export(
        (_Half(network) if half else network).eval(),
        (torch.rand(EXAMPLE if size is None else (1, 3, size, size)),),
        dynamo=True,
        input_names=["lr"],
        output_names=["sr"],
        dynamic_shapes={"lr": sides} if size is None else None,
        verbose=False,
    )
    assert program is not None, "dynamo=True returns a program"
    model = program.model_proto
    for name, text in described.items():
        model.metadata_props.add(key=name, value=text)
    model.doc_string = f"{described['input']}\n{described['output']}"
    model.graph.input[0].doc_string, model.graph.output[0].doc_string = described["input"], described["output"]
    content = model.SerializeToString()  # weights and all, in one file
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, lambda lr: torch.from_numpy(session.run(None, {"lr": lr.numpy()})[0])


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(
            f"Expected onnx, onnxscript and onnxruntime for format=onnx, but {error.name} is not installed:"
            " pip install onnx onnxscript onnxruntime, or pip install 'srgan[export]'."
        ) from error
    onnxruntime.set_default_logger_severity(3)  # errors alone


def darktable_files(content: bytes, *, name: str, scale: int, described: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a model of darktable.

    Args:
        content: The ONNX file.
        name: The model's.
        scale: How many times it enlarges.
        described: What is known of the weights; the licence is shown.
    """
    config = {
        "id": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "srgan",
        "name": name,
        "description": f"{scale}x photo upscaling (SRResNet). Licence of the weights: {described['licence']}",
        "task": "upscale",
        "backend": "onnx",
        "num_inputs": 1,
    }
    return {f"model_x{scale}.onnx": content, "config.json": json.dumps(config, indent=2).encode()}
