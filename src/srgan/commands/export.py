"""``srgan export``: weights as a file for other programs."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srgan.commands.command_line import command_line
from srgan.export import export_generator

_USAGE = "srgan export ckpt=srgan format=onnx out=srgan.onnx"
_DESCRIPTION = """\
Write a generator as a file for other programs.

ckpt     srgan or srresnet, a .safetensors, a .ckpt, or a run's folder
format   spandrel (ComfyUI, chaiNNer …) | safetensors | torchscript | onnx | darktable (the last two need
         pip install 'srgan[export]')
out      the file to write; with darktable a folder
size     of onnx: one height and width for all inputs, as compilers want it (optional)
half     of onnx: true computes in float16 (optional)
licence  of the weights, where the file does not say it (optional)"""
_OWN = ("ckpt", "format", "out", "licence", "size", "half")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, check it, and print how much its output differs."""
    values, _ = command_line(
        arguments, usage=_USAGE, description=_DESCRIPTION, own=_OWN, needed=_OWN[:3], takes_overrides=False
    )
    ckpt, out = Path(values["ckpt"]), Path(values["out"])
    try:
        options: dict[str, Any] = {"licence": values.get("licence"), "size": _size(values), "half": _half(values)}
        difference = export_generator(ckpt, kind=values["format"], out=out, **options)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    files = out.iterdir() if out.is_dir() else [out]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{out}: {size:.1f} MB, differs from {ckpt} by at most {difference:.1e}")


def _size(values: Mapping[str, str]) -> int | None:
    size = values.get("size")
    if size is not None and not size.isdecimal():
        raise ValueError(f"Expected size to be a whole number of pixels, got {size}.")
    return None if size is None else int(size)


def _half(values: Mapping[str, str]) -> bool:
    half = values.get("half", "false")
    if half not in ("true", "false"):
        raise ValueError(f"Expected half to be true or false, got {half}.")
    return half == "true"
