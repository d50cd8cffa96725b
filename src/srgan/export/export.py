"""Exports a generator: chooses the format, compares what it computes, and writes it whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path

from srgan.export import ncnn_folder
from srgan.export.hub_folder import hub_files
from srgan.export.ncnn_folder import write_ncnn
from srgan.export.onnx_file import DARKTABLE_TILE, darktable_files, write_onnx
from srgan.export.parity import AWKWARD, Clamped, ExportError, Network, largest_difference
from srgan.export.safetensors_file import write_safetensors, write_spandrel
from srgan.export.torchscript_file import write_torchscript
from srgan.networks import Generator
from srgan.networks.folding import fold_batchnorm
from srgan.system.files import atomic_write
from srgan.weights import load_generator, read_metadata, resolve

TOLERANCE = 1e-4  # in pictures of [0, 1]: a fortieth of a step of 8 bits
_HALF_TOLERANCE = 0.5 / 255  # half a level of 8 bits, where weights are float16
_FILES = {"safetensors": write_safetensors, "spandrel": write_spandrel, "torchscript": write_torchscript}
_FORMATS = (*_FILES, "onnx", "darktable", "ncnn", "hub")


def export_generator(
    ckpt: Path, *, kind: str, out: Path, licence: str | None = None, size: int | None = None, half: bool = False
) -> float:
    """Write a generator in one of some formats, each file whole or not at all.

    Args:
        ckpt: As ``srgan.weights.load_generator`` takes it.
        kind: ``safetensors``, ``spandrel`` (for ComfyUI, chaiNNer and others, see ``srgan.spandrel_arch``),
            ``torchscript``, ``onnx``; or, as a folder, ``darktable``, ``ncnn`` (for Upscayl) or ``hub`` (for Hugging
            Face's Hub).
        out: The file or folder to write; the folder it is in is made if need be.
        licence: The licence of the weights; by default what their file says.
        size: Of ``onnx``: the one height and width of its input, and a batch of one, for programs that compile it.
        half: Of ``onnx``: compute in float16; input and output stay float32.

    Returns:
        The largest difference between what the written file computes and what the generator does, in [0, 1].

    Raises:
        ExportError: If the format is unknown, a package is missing, ``out`` is the weights' own file, or the difference
            is ``TOLERANCE`` or more (with ``half``, half a level of 255).
        FileExistsError: If a folder holds what is not written here.
        WeightsError: If the weights cannot be read.
    """
    _check(kind, size=size, half=half)
    if out.resolve() == resolve(ckpt).resolve():
        raise ExportError(f"Expected out to be another file than the weights, got {out} for both.")
    generator = load_generator(ckpt)
    if not isinstance(generator, Generator):
        name = generator.config["architecture"]
        raise ExportError(
            f"Expected weights of this project's own architecture, SRResNet, but {ckpt} holds {name}, which other"
            " programs load as it is, or convert by tools of their own."
        )
    described = _description(generator, read_metadata(ckpt), licence=licence, clamped=kind != "safetensors")
    content, written = _content(kind, fold_batchnorm(generator), described, name=out.name, size=size, half=half)
    side = DARKTABLE_TILE if kind == "darktable" else size
    sizes = ncnn_folder.SIZES if kind == "ncnn" else AWKWARD if side is None else ((1, side, side),)
    difference = largest_difference(written, Clamped(generator), sizes=sizes)
    if not difference < (tolerance := _HALF_TOLERANCE if half else TOLERANCE):  # also where it is NaN
        raise ExportError(
            f"The {kind} file would differ from {ckpt} by {difference:.2g}, expected less than {tolerance:g}: {out} was"
            " not written. Are the weights finite?"
        )
    files = {out: content} if isinstance(content, bytes) else {out / name: each for name, each in content.items()}
    if not isinstance(content, bytes):
        _require_own(out, set(files), kind)
    for file, each in files.items():
        with atomic_write(file) as opened:
            opened.write(each)
    return difference


def _content(
    kind: str, generator: Generator, described: dict[str, str], *, name: str, size: int | None, half: bool
) -> tuple[bytes | dict[str, bytes], Network]:
    """A file, or a folder's files by name, and what they compute."""
    if kind == "ncnn":
        return write_ncnn(generator, name=name)
    if kind == "hub":
        content, written = write_spandrel(generator, described)
        return hub_files(content, generator, name=name, described=described), written
    if kind == "darktable":
        content, written = write_onnx(generator, described, size=DARKTABLE_TILE)
        return darktable_files(content, name=name, scale=generator.scale, described=described), written
    if kind == "onnx":
        return write_onnx(generator, described, size=size, half=half)
    return _FILES[kind](generator, described)


def _check(kind: str, *, size: int | None, half: bool) -> None:
    if kind not in _FORMATS:
        raise ExportError(f"Expected format to be one of {', '.join(_FORMATS)}, got {kind!r}.")
    if kind != "onnx" and (half or size is not None):
        raise ExportError(f"Expected size and half with format=onnx alone, got format={kind}.")
    if size is not None and size < 1:
        raise ExportError(f"Expected size of 1 or more, got {size}.")


def _require_own(folder: Path, files: set[Path], kind: str) -> None:
    """Raise FileExistsError where a folder to write holds something else, or is none."""
    found = {path for path in folder.rglob("*") if not path.is_dir()}
    if (folder.exists() and not folder.is_dir()) or not found <= files:
        other = min(found - files, default=folder)
        raise FileExistsError(
            f"Expected out to be a new folder, or one that format={kind} wrote, to replace; got {folder}, which holds"
            f" {other.name}."
        )


def _description(
    generator: Generator, metadata: Mapping[str, str], *, licence: str | None, clamped: bool
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
