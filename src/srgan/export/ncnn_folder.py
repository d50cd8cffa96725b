"""A generator for ncnn, in the folders that Upscayl asks for.

Programs build ncnn with the layers that ESRGAN needs and call for blobs by ESRGAN's names: realesrgan-ncnn-vulkan and
Upscayl up to 2025 know nothing else, so the file keeps to these.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.export.parity import ExportError, Network
from srgan.export.torchscript_file import quiet_tracing
from srgan.networks import Generator
from srgan.networks.blocks import BicubicUpscale

# One picture at a time, of two pixels and more to each side: ncnn reads the rows that are mirrored by their numbers.
SIZES = ((1, 2, 3), (1, 17, 33), (1, 40, 24))
_SHAPES = ((1, 3, 32, 40), (1, 3, 24, 52))  # of two inputs, so that neither side is taken for a constant
_INPUT, _OUTPUT = "data", "output"  # as the converter of Real-ESRGAN's own models named them
_BLOBS = {b"in0": _INPUT.encode(), b"out0": _OUTPUT.encode()}  # as pnnx names them


class _Clamped(nn.Module):
    """A generator whose pictures stay in [0, 1], by a layer that every ncnn has: Upscayl would take 256 for 0."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), both in [0, 1]."""
        return 1 - functional.relu(1 - functional.relu(self.generator(lr)))


def write_ncnn(generator: Generator, *, name: str) -> tuple[dict[str, bytes], Network]:
    """The files by their names in the folder, and what ncnn computes of them, in float32 on the CPU.

    Raises:
        ExportError: If pnnx or ncnn is missing, or does not understand the network.
    """
    pnnx, ncnn = _require_ncnn()
    with tempfile.TemporaryDirectory() as folder:
        traced = Path(folder) / "model.pt"
        with _plain_mirrors(), quiet_tracing():
            example = torch.rand(_SHAPES[0])
            torch.jit.trace(_Clamped(generator).eval(), example, check_trace=False).save(traced)  # type: ignore[no-untyped-call]
        param, weights = _converted(pnnx.EXEC_PATH, traced)
    stem = f"models/{name.removesuffix(f'-x{generator.scale}')}-x{generator.scale}"
    return {f"{stem}.bin": weights, f"{stem}.param": param}, _network(ncnn, param, weights)


def _converted(program: str, traced: Path) -> tuple[bytes, bytes]:
    names = ("inputshape", "inputshape2")
    shapes = [f"{name}={list(shape)}".replace(" ", "") for name, shape in zip(names, _SHAPES, strict=True)]
    done = subprocess.run(
        [program, traced.name, *shapes, "fp16=0"], cwd=traced.parent, capture_output=True, text=True, check=False
    )
    files = [traced.with_suffix(f".ncnn.{kind}") for kind in ("param", "bin")]
    if done.returncode or not all(file.is_file() for file in files):
        raise ExportError(f"pnnx could not convert the network (exit code {done.returncode}): {done.stderr[-500:]}")
    named = re.sub(rb"\b(in0|out0)\b", lambda match: _BLOBS[match[0]], files[0].read_bytes())
    return named, files[1].read_bytes()


def _network(ncnn: Any, param: bytes, weights: bytes) -> Network:
    """What ncnn computes of the two files."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    for shortcut in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, shortcut, False)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("model.param", "model.bin")]
        for file, content in zip(files, (param, weights), strict=True):
            file.write_bytes(content)
        if net.load_param(str(files[0])) or net.load_model(str(files[1])):
            raise ExportError("ncnn cannot read what pnnx wrote: it lacks one of the network's layers.")

    def enlarge(lr: Tensor) -> Tensor:
        extractor = net.create_extractor()
        extractor.input(_INPUT, ncnn.Mat(lr[0].contiguous().numpy()).clone())
        failed, sr = extractor.extract(_OUTPUT)
        if failed:
            raise ExportError(f"ncnn cannot compute a picture of {lr.shape[-1]}x{lr.shape[-2]} pixels.")
        return torch.from_numpy(sr.numpy().copy())[None]

    return enlarge


@contextmanager
def _plain_mirrors() -> Iterator[None]:
    """The bicubic skip in operators that every ncnn has: none reads rows by a computed index, some lack groups."""

    def upscale(self: BicubicUpscale, lr: Tensor) -> Tensor:
        rows = torch.cat((lr[:, :, 1:2], lr[:, :, 0:1], lr, lr[:, :, -1:], lr[:, :, -2:-1]), 2)
        both = (rows[..., 1:2], rows[..., 0:1], rows, rows[..., -1:], rows[..., -2:-1])
        own = self.kernels.flatten(1).chunk(3)  # of each colour; those of the others are 0
        kernels: Tensor = torch.block_diag(*own)  # type: ignore[no-untyped-call]
        kernels = kernels.view(-1, 3, *self.kernels.shape[-2:])
        upscaled: Tensor = self.shuffle(functional.conv2d(torch.cat(both, 3), kernels))
        return upscaled

    original = BicubicUpscale.forward
    BicubicUpscale.forward = upscale  # type: ignore[method-assign]
    try:
        yield
    finally:
        BicubicUpscale.forward = original  # type: ignore[method-assign]


def _require_ncnn() -> Sequence[Any]:
    try:
        import ncnn
        import pnnx
    except ImportError as error:
        raise ExportError(
            f"Expected pnnx and ncnn for format=ncnn, but {error.name} is not installed: pip install pnnx ncnn, or"
            " pip install 'srgan[export]'."
        ) from error
    return pnnx, ncnn
