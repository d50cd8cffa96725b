"""Writes a generator for other programs; ``python -m srgan.export`` is ``srgan export``.

BatchNorm is folded, any height, width and batch size work, and the file says what goes in and what comes out. Each
file is read again and compared with the generator it was made from before it takes its place.
"""

import copy
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from srgan.networks import AnyGenerator, Generator
from srgan.networks.blocks import mirrored_index
from srgan.networks.folding import fold_batchnorm
from srgan.system.files import atomic_write
from srgan.weights import load_generator, read_metadata, resolve, save_generator

TOLERANCE = 1e-4  # in pictures of [0, 1]: a fortieth of a step of 8 bits
DESCRIPTION = "description.json"  # the extra file in TorchScript's archive
# Batch, height and width: single pixels, lines, odd ones, and one with an inside.
_AWKWARD = ((1, 1, 1), (1, 1, 7), (1, 6, 1), (2, 2, 3), (3, 5, 5), (1, 17, 33), (2, 40, 24))
_EXAMPLE = (2, 3, 7, 9)  # what tracing sees; no two sides alike, and none of 1, which is a special case to some
_FORMATS = ("safetensors", "torchscript", "onnx")

Network = Callable[[Tensor], Tensor]


class ExportError(ValueError):
    """A generator cannot be exported; the message says why and what to do."""


class Clamped(nn.Module):
    """A generator whose pictures stay in [0, 1], as a program that shows them expects."""

    def __init__(self, generator: AnyGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), both in [0, 1]."""
        sr: Tensor = self.generator(lr).clamp(0, 1)
        return sr


def export_generator(ckpt: Path, *, kind: str, out: Path, licence: str | None = None) -> float:
    """Write a generator in one of three formats, whole or not at all.

    Args:
        ckpt: As ``srgan.weights.load_generator`` takes it.
        kind: ``safetensors``, ``torchscript`` or ``onnx``.
        out: The file to write; its folder is made if need be.
        licence: The licence of the weights; by default what their file says.

    Returns:
        The largest difference between what the written file computes and what the generator does, in [0, 1].

    Raises:
        ExportError: If the format is unknown, a package is missing, ``out`` is the weights' own file, or the difference
            is ``TOLERANCE`` or more.
        WeightsError: If the weights cannot be read.
    """
    if kind not in _FORMATS:
        raise ExportError(f"Expected format to be one of {', '.join(_FORMATS)}, got {kind!r}.")
    if kind == "onnx":
        _require_onnx()
    if out.resolve() == resolve(ckpt).resolve():
        raise ExportError(f"Expected out to be another file than the weights, got {out} for both.")
    generator = load_generator(ckpt)
    if not isinstance(generator, Generator):
        raise ExportError(f"Expected weights of this project's own architecture, got {generator.config}.")
    folded = fold_batchnorm(generator)
    described = _description(folded, read_metadata(ckpt), licence=licence, clamped=kind != "safetensors")
    write = {"safetensors": _safetensors, "torchscript": _torchscript, "onnx": _onnx}[kind]
    content, written = write(folded, described)
    difference = largest_difference(written, Clamped(generator))
    if not difference < TOLERANCE:  # also where it is NaN
        raise ExportError(
            f"The {kind} file would differ from {ckpt} by {difference:.2g}, expected less than {TOLERANCE:g}: {out} was"
            " not written. Are the weights finite?"
        )
    with atomic_write(out) as file:
        file.write(content)
    return difference


@torch.no_grad()
def largest_difference(network: Network, reference: Network) -> float:
    """The largest difference of two networks' pictures over awkward sizes; NaN where a picture is not finite.

    Raises:
        ExportError: If a picture is of another size.
    """
    noise = torch.Generator().manual_seed(0)
    largest = torch.tensor(0.0)
    for batch, height, width in _AWKWARD:
        lr = torch.rand(batch, 3, height, width, generator=noise)
        sr, expected = network(lr), reference(lr)
        if sr.shape != expected.shape:
            raise ExportError(
                f"Expected an output of {tuple(expected.shape)} for {tuple(lr.shape)}, got {tuple(sr.shape)}."
            )
        largest = torch.maximum(largest, (sr - expected).abs().max())
    return float(largest)


def _description(
    generator: Generator, metadata: dict[str, str], *, licence: str | None, clamped: bool
) -> dict[str, str]:
    """What a reader of the file needs to know, as text."""
    scale = generator.scale
    after = "clamped to [0, 1]" if clamped else "around [0, 1]: clamp before showing or saving"
    return {
        **metadata,
        "scale": str(scale),
        "architecture": f"SRResNet (Ledig et al. 2017, arXiv:1609.04802): {json.dumps(generator.config)}",
        "input": "lr: float32, shape (N, 3, h, w) with any N, h and w from 1 up; channels R, G, B; values in [0, 1]"
        " as in an 8-bit sRGB file divided by 255, nothing subtracted",
        "output": f"sr: float32, shape (N, 3, {scale} h, {scale} w); channels and values like the input, {after}",
        "licence": licence or metadata.get("licence", "not stated by the weights' file"),
    }


def _safetensors(generator: Generator, described: dict[str, str]) -> tuple[bytes, Network]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generator.safetensors"
        save_generator(file, generator, metadata=described)
        return file.read_bytes(), Clamped(load_generator(file))


def _torchscript(generator: Generator, described: dict[str, str]) -> tuple[bytes, Network]:
    network = Clamped(copy.deepcopy(generator))
    archive = io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated by torch 2.14 in favour of torch.export; but this is the format that programs on libtorch read.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\..*is deprecated")
        # The check of the input's shape, which the file goes without.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        if isinstance(network.generator, Generator) and network.generator.skip is not None:
            # Tracing would keep the CPU as where the indices are made.
            network.generator.skip.mirror = torch.jit.script(mirrored_index)
        traced = torch.jit.trace(network.eval(), torch.rand(_EXAMPLE), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, archive, _extra_files={DESCRIPTION: json.dumps(described, indent=2)})
        archive.seek(0)
        return archive.getvalue(), torch.jit.load(archive)  # type: ignore[no-untyped-call]


def _onnx(generator: Generator, described: dict[str, str]) -> tuple[bytes, Network]:
    import onnxruntime

    dim = torch.export.Dim
    sides = {0: dim("batch", min=1), 2: dim("height", min=1), 3: dim("width", min=1)}
    program = torch.onnx.export(
        Clamped(generator).eval(),
        (torch.rand(_EXAMPLE),),
        dynamo=True,
        input_names=["lr"],
        output_names=["sr"],
        dynamic_shapes={"lr": sides},
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


if __name__ == "__main__":
    from srgan.commands.export import main

    main()
