"""``srgan export``: weights as a file, or a folder, for other programs."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srgan.commands.command_line import command_line
from srgan.export import ExportError, export_generator, push_folder, require_login

_USAGE = "srgan export ckpt=srgan format=onnx out=srgan.onnx"
_DESCRIPTION = """\
Write a generator as a file for other programs.

ckpt     srgan, srresnet or web, a .safetensors, a .ckpt, or a run's folder
format   spandrel (ComfyUI, chaiNNer …) | safetensors | torchscript | onnx | darktable | ncnn (Upscayl) | hub
         (Hugging Face's Hub); onnx, darktable and ncnn need pip install 'srgan[export]'
out      the file to write; with darktable, ncnn and hub a folder, whose name is the model's
size     of onnx: one height and width for all inputs, as compilers want it (optional)
half     of onnx: true computes in float16 (optional)
push     of hub: true uploads the folder to the account that is logged in (optional, needs 'srgan[hub]')
licence  of the weights, where the file does not say it (optional)"""
_OWN = ("ckpt", "format", "out", "licence", "size", "half", "push")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, check it, and print how much its output differs."""
    values, _ = command_line(
        arguments, usage=_USAGE, description=_DESCRIPTION, own=_OWN, needed=_OWN[:3], takes_overrides=False
    )
    ckpt, out = Path(values["ckpt"]), Path(values["out"])
    try:
        options: dict[str, Any] = {
            "licence": values.get("licence"),
            "size": _size(values),
            "half": _flag(values, "half"),
        }
        user = _pushing_user(values)
        difference = export_generator(ckpt, kind=values["format"], out=out, **options)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    files = [file for file in out.rglob("*") if file.is_file()] if out.is_dir() else [out]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{out}: {size:.1f} MB, differs from {ckpt} by at most {difference:.1e}")
    if user is not None:
        try:
            print(f"Uploaded: ckpt={push_folder(out, user=user)}")
        except ExportError as error:
            sys.exit(str(error))


def _size(values: Mapping[str, str]) -> int | None:
    size = values.get("size")
    if size is not None and not size.isdecimal():
        raise ValueError(f"Expected size to be a whole number of pixels, got {size}.")
    return None if size is None else int(size)


def _flag(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "false")
    if text not in ("true", "false"):
        raise ValueError(f"Expected {name} to be true or false, got {text}.")
    return text == "true"


def _pushing_user(values: Mapping[str, str]) -> str | None:
    """Who is logged in, asked before the work; None if nothing is to be uploaded."""
    if not _flag(values, "push"):
        return None
    if values["format"] != "hub":
        raise ValueError(f"Expected push with format=hub alone, got format={values['format']}.")
    return require_login()
