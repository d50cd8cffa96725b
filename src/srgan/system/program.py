"""How this process was started, as ``srgan`` or by the checkout's ``train.py``, and what to type to start another."""

import os
import shutil
import sys
from pathlib import Path

_SCRIPTS = ("train.py", "predict.py")


def words_before_settings(command: str) -> list[str]:
    """What comes between ``sys.argv[0]`` and the settings: the command's name, unless a script is named after it."""
    return [] if _is_script() else [command]


def how_to_start(command: str) -> list[str]:
    """The words that start ``train`` or ``predict`` as this process was started, from where the user stands."""
    on_path = shutil.which("srgan")
    if _is_script():
        return [_python(), shown(Path(sys.argv[0]).with_name(f"{command}.py"))]
    if on_path and Path(on_path).parent == Path(sys.executable).parent:
        return ["srgan", command]
    return [_python(), "-m", "srgan", command]


def shown(path: str | Path) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    absolute = Path(os.path.abspath(path))  # not resolved: a virtual environment's python is a link
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def _is_script() -> bool:
    return Path(sys.argv[0]).name in _SCRIPTS


def _python() -> str:
    on_path = shutil.which("python")
    return "python" if on_path and Path(on_path).parent == Path(sys.executable).parent else shown(sys.executable)
