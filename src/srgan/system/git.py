"""The git commit of the code."""

import os
import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).with_name("__init__.py")
_TIMEOUT_S = 3.0
_ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # set in git hooks: they name another checkout


def git_commit(file: Path = _PACKAGE) -> str | None:
    """The commit that a source file belongs to.

    Args:
        file: A file of the checkout, by default of this package.

    Returns:
        The full hash, followed by ``-dirty`` if tracked files have changes. None if git does not track the file (so an
        installed package is not mistaken for the project in whose folder it is installed), or if git is missing,
        refuses, or takes too long.
    """
    if _git(file.parent, "ls-files", "--error-unmatch", "--", file.name) is None:
        return None
    return _git(file.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},  # reading must not block a commit
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
