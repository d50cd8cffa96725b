"""What requests are answered: a task in words, a result under its name, all results in one archive."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from srgan.prediction.jobs import SUFFIXES
from srgan.serve.tasks import Task
from srgan.serve.wishes import Wish


def result_name(task: Task) -> str:
    """What a result is to be called, with forward slashes: a name without a way out of a folder."""
    parts = task.name.replace("\\", "/").replace(":", "/").split("/")
    name = PurePosixPath(*([part for part in parts if part.strip(" .")] or ["picture"]))
    return str(name.with_suffix(result_suffix(task.name, task.made or task.wish)))


def result_suffix(name: str, wish: Wish) -> str:
    """The ending of a result: that of its format, or of its picture."""
    known = SUFFIXES[wish.format]
    ending = PurePosixPath(name).suffix.lower()
    return known or (ending if ending.isascii() and ending[1:].isalnum() and len(ending) < 6 else ".png")


def told(task: Task) -> dict[str, Any]:
    """What the page is told of a task."""
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
    """Results under their names; those that meet are numbered."""
    names: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for task in tasks:
            name, number = PurePosixPath(result_name(task)), 1
            unique = str(name)
            while unique in names:
                number += 1
                unique = str(name.with_stem(f"{name.stem} ({number})"))
            names.add(unique)
            if task.result is not None:
                archive.write(task.result, unique)
