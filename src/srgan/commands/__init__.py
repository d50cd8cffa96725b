"""The commands of ``srgan``, a module each; only the one that is asked for is loaded."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = {
    "predict": "enlarge photos: srgan predict photo.jpg output=large.png",
    "train": "train networks: srgan train data=folder data.root=/photos",
    "score": "score weights without training: srgan score ckpt_path=srgan",
    "doctor": "look for faults in photos before training: srgan doctor data=folder data.root=/photos",
    "compare": "compare networks on a page: srgan compare ckpt=[srgan,srresnet] input=photos output=compared",
    "serve": "open a page to work in: srgan serve",
    "preview": "draw what training would see: srgan preview data=folder data.root=/photos",
    "export": "write weights for other programs: srgan export ckpt=srgan format=onnx out=srgan.onnx",
}
_HELP = "\n".join(
    [
        "srgan photo.jpg …        enlarge photos four times, into the folder out: short for srgan predict photo.jpg …",
        "srgan COMMAND …          with settings as name=value; srgan COMMAND --help shows them all",
        "",
        *(f"  {name:<9}{does}" for name, does in COMMANDS.items()),
    ]
)
_WRONG = 2  # exit code for an invalid command line


def run(arguments: Sequence[str] | None = None) -> int | None:
    """Run a command line.

    Args:
        arguments: The command line; None for the process's own.

    Returns:
        The exit code; None for 0.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_HELP)
        return None
    first = arguments[0]
    if first not in COMMANDS:
        if not _is_for_predict(first):
            print(_unknown(first), file=sys.stderr)
            return _WRONG
        arguments.insert(0, "predict")
    command = importlib.import_module(f"srgan.commands.{arguments[0]}")
    code: int | None = command.main(arguments[1:])
    return code


def _is_for_predict(argument: str) -> bool:
    """Whether a first argument is a picture, or a setting such as ``input=photo.jpg``."""
    is_path = os.path.exists(argument) or Path(argument).suffix or Path(argument).name != argument
    return argument == "-" or bool(is_path) or (not argument.startswith("-") and "=" in argument)


def _unknown(word: str) -> str:
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    meant = f" Did you mean srgan {close[0]}?" if close else ""
    return (
        f"Expected a command ({', '.join(COMMANDS)}) or a picture, got {word}: there is no file of that name.{meant}"
        " See srgan --help."
    )
