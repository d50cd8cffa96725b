"""What requests are answered: a task in words, a result under its name, all results in one archive."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from srgan.pictures import EXTENSIONS
from srgan.prediction.jobs import SUFFIXES
from srgan.serve.tasks import Task
from srgan.serve.wishes import Wish

_LONGEST = 200  # bytes of a name that file systems take, with room for an ending and a number
_ENDINGS = EXTENSIONS.union(ending for ending in SUFFIXES.values() if ending is not None)


def result_name(task: Task) -> str:
    """What a result is to be called, with forward slashes: a name without a way out of a folder."""
    said = "".join(letter for letter in task.name if letter >= " " and letter != "\x7f")
    parts = [part for part in said.replace("\\", "/").replace(":", "/").split("/") if part.strip(" .")]
    *folders, last = parts or ["picture"]
    name = PurePosixPath(*map(_shortened, folders), _shortened(PurePosixPath(last).stem))
    return f"{name}{result_suffix(last, task.made or task.wish)}"


def _shortened(name: str) -> str:
    return name.encode(errors="replace")[:_LONGEST].decode(errors="ignore")


def result_suffix(name: str, wish: Wish) -> str:
    """The ending of a result: that of its format, or of its picture."""
    known = SUFFIXES[wish.format]
    ending = PurePosixPath(name).suffix.lower()
    return known or (ending if ending in _ENDINGS else ".png")


def told(task: Task) -> dict[str, Any]:
    """What the page shows of a task."""
    return {
        "id": task.id,
        "name": task.name,
        "state": task.state,
        "message": task.message,
        "progress": task.progress,
        "seconds": task.seconds,
        "version": task.version,
        "result": result_name(task) if task.result is not None else None,
    }


def as_download(name: str) -> dict[str, str]:
    """The header that makes a browser keep an answer as a file."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(PurePosixPath(name).name, safe='')}"}


def write_zip(path: Path, tasks: list[Task]) -> None:
    """Results under their names; those that meet are numbered, also where systems take large letters for small."""
    names: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for task in tasks:
            name, number = PurePosixPath(result_name(task)), 1
            unique = str(name)
            while unique.casefold() in names:
                number += 1
                unique = str(name.with_stem(f"{name.stem} ({number})"))
            names.add(unique.casefold())
            if task.result is not None:
                archive.write(task.result, unique)
