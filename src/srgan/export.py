"""Writes a generator for other programs; ``python -m srgan.export`` is ``srgan export``.

BatchNorm is folded, any height, width and batch size work, and the file says what goes in and what comes out. Each
file is read again and compared with the generator it was made from before it takes its place.
"""

import copy
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from srgan.export_darktable import write_darktable
from srgan.networks import AnyGenerator, Generator
from srgan.networks.blocks import mirrored_index
from srgan.networks.folding import fold_batchnorm
from srgan.spandrel_arch import SKIP, register
from srgan.system.files import atomic_write
from srgan.weights import load_generator, read_metadata, resolve, save_generator
from srgan.weights.checkpoint_file import GENERATOR_CONFIG

TOLERANCE = 1e-4  # in pictures of [0, 1]: a fortieth of a step of 8 bits
DESCRIPTION = "description.json"  # the extra file in TorchScript's archive
# Batch, height and width: single pixels, lines, odd ones, and one with an inside.
_AWKWARD = ((1, 1, 1), (1, 1, 7), (1, 6, 1), (2, 2, 3), (3, 5, 5), (1, 17, 33), (2, 40, 24))
_EXAMPLE = (2, 3, 7, 9)  # what tracing sees; no two sides alike, and none of 1, which is a special case to some
_FORMATS = ("safetensors", "spandrel", "torchscript", "onnx", "darktable")
_HALF_TOLERANCE = 0.5 / 255  # half a level of 8 bits, where weights are float16
_DARKTABLE_TILE = 256  # which darktable cuts pictures into

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


def export_generator(
    ckpt: Path, *, kind: str, out: Path, licence: str | None = None, size: int | None = None, half: bool = False
) -> float:
    """Write a generator in one of some formats, whole or not at all.

    Args:
        ckpt: As ``srgan.weights.load_generator`` takes it.
        kind: ``safetensors``, ``spandrel`` (for ComfyUI, chaiNNer and others, see ``srgan.spandrel_arch``),
            ``torchscript``, ``onnx``, or ``darktable`` (a folder).
        out: The file or folder to write; the folder it is in is made if need be.
        licence: The licence of the weights; by default what their file says.
        size: Of ``onnx``: the one height and width of its input, and a batch of one, for programs that compile it.
        half: Of ``onnx``: compute in float16; input and output stay float32.

    Returns:
        The largest difference between what the written file computes and what the generator does, in [0, 1].

    Raises:
        ExportError: If the format is unknown, a package is missing, ``out`` is the weights' own file, or the difference
            is ``TOLERANCE`` or more (with ``half``, half a level of 255).
        WeightsError: If the weights cannot be read.
    """
    if kind not in _FORMATS:
        raise ExportError(f"Expected format to be one of {', '.join(_FORMATS)}, got {kind!r}.")
    if kind != "onnx" and (half or size is not None):
        raise ExportError(f"Expected size and half with format=onnx alone, got format={kind}.")
    if size is not None and size < 1:
        raise ExportError(f"Expected size of 1 or more, got {size}.")
    if kind in ("onnx", "darktable"):
        _require_onnx()
    if out.resolve() == resolve(ckpt).resolve():
        raise ExportError(f"Expected out to be another file than the weights, got {out} for both.")
    generator = load_generator(ckpt)
    if not isinstance(generator, Generator):
        raise ExportError(f"Expected weights of this project's own architecture, got {generator.config}.")
    folded = fold_batchnorm(generator)
    described = _description(folded, read_metadata(ckpt), licence=licence, clamped=kind != "safetensors")
    writers = {"safetensors": _safetensors, "spandrel": _spandrel, "torchscript": _torchscript}
    side = _DARKTABLE_TILE if kind == "darktable" else size
    if kind in writers:
        content, written = writers[kind](folded, described)
    else:
        content, written = _onnx(folded, described, size=side, half=half)
    sizes = _AWKWARD if side is None else ((1, side, side),)
    difference = largest_difference(written, Clamped(generator), sizes=sizes)
    if not difference < (tolerance := _HALF_TOLERANCE if half else TOLERANCE):  # also where it is NaN
        raise ExportError(
            f"The {kind} file would differ from {ckpt} by {difference:.2g}, expected less than {tolerance:g}: {out} was"
            " not written. Are the weights finite?"
        )
    if kind == "darktable":
        write_darktable(out, content, scale=generator.scale, described=described)
        return difference
    with atomic_write(out) as file:
        file.write(content)
    return difference


@torch.no_grad()
def largest_difference(
    network: Network, reference: Network, *, sizes: Sequence[tuple[int, int, int]] = _AWKWARD
) -> float:
    """The largest difference of two networks' pictures; NaN where a picture is not finite.

    Args:
        network: The one.
        reference: The other.
        sizes: Of the pictures to compare, (N, h, w); by default awkward ones.

    Raises:
        ExportError: If a picture is of another size.
    """
    noise = torch.Generator().manual_seed(0)
    largest = torch.tensor(0.0)
    for batch, height, width in sizes:
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


def _spandrel(generator: Generator, described: dict[str, str]) -> tuple[bytes, Network]:
    """Safetensors in which the bicubic skip, which is no weight, shows in a tensor."""
    import spandrel

    registry = spandrel.ArchRegistry()
    register(registry)
    state = {name: value.detach().cpu().contiguous() for name, value in generator.state_dict().items()}
    if generator.skip is not None:
        state[SKIP] = generator.skip.kernels.cpu().contiguous()
    content = save(state, metadata={**described, GENERATOR_CONFIG: json.dumps(generator.config)})
    return content, spandrel.ModelLoader(registry=registry).load_from_state_dict(load(content))


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


class _Half(nn.Module):
    """A network in float16 between input and output in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, lr: Tensor) -> Tensor:
        """Map as the network does."""
        sr: Tensor = self.network(lr.half()).float()
        return sr


def _onnx(generator: Generator, described: dict[str, str], *, size: int | None, half: bool) -> tuple[bytes, Network]:
    import onnxruntime

    dim = torch.export.Dim
    sides = {0: dim("batch", min=1), 2: dim("height", min=1), 3: dim("width", min=1)}
    network: nn.Module = Clamped(generator)
    program = torch.onnx.export(
        (_Half(network) if half else network).eval(),
        (torch.rand(_EXAMPLE if size is None else (1, 3, size, size)),),
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


if __name__ == "__main__":
    from srgan.commands.export import main

    main()
