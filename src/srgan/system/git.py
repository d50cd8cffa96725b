"""Which code a run was made with."""

import os
import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).with_name("__init__.py")
_TIMEOUT_S = 3.0
_ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # set in git's hooks: they name another checkout


def git_commit(file: Path = _PACKAGE) -> str | None:
    """The commit that a source file is of.

    Args:
        file: A file of the checkout, by default of this package.

    Returns:
        The full hash, with ``-dirty`` behind it where files that git tracks have changes. None where git does not
        track the file (so an installed package is not taken for the project whose folder it happens to lie in), and
        where git is missing, refuses, or takes too long.
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
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},  # a look must not get in the way of a commit
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
