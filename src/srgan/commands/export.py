"""``srgan export``: weights as a file for other programs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from srgan.commands.command_line import command_line
from srgan.export import export_generator

_USAGE = "srgan export ckpt=srgan format=onnx out=srgan.onnx"
_DESCRIPTION = """\
Write a generator as a file for other programs.

ckpt     srgan or srresnet, a .safetensors, a .ckpt, or a run's folder
format   safetensors | torchscript | onnx (needs pip install 'srgan[export]')
out      the file to write
licence  of the weights, where the file does not say it (optional)"""
_OWN = ("ckpt", "format", "out", "licence")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, check it, and print how much its output differs."""
    values, _ = command_line(
        arguments, usage=_USAGE, description=_DESCRIPTION, own=_OWN, needed=_OWN[:3], takes_overrides=False
    )
    ckpt, out = Path(values["ckpt"]), Path(values["out"])
    try:
        difference = export_generator(ckpt, kind=values["format"], out=out, licence=values.get("licence"))
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    size = out.stat().st_size / 1e6
    print(f"{out}: {size:.1f} MB, differs from {ckpt} by at most {difference:.1e}")
