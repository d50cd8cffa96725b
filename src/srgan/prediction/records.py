"""What the ledgers of an output folder say, read again as other processes write on."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

LEDGER = ".srgan-ledger"  # how the names of ledgers begin; a folder with one holds results
FILE_LEDGER = ".srgan-results.jsonl"  # of results that were named one by one, and may lie among other files


class Records:
    """The lines of all ledgers of a folder, which need not be there.

    Args:
        folder: The output folder.

    Attributes:
        news: By target, what was noted since the start: the picture it was made from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Target → (key, digest of the file) → the picture it was made from, which older ledgers do not name.
        self._lines: defaultdict[str, dict[tuple[str, str], Path | None]] = defaultdict(dict)
        self._ends: dict[Path, int] = {}  # how far each file was read
        self.news: dict[str, Path | None] = {}
        self.read_on()
        self.news.clear()

    @property
    def owners(self) -> dict[str, Path]:
        """The picture that each file was made from last, where that is known."""
        last = {target: list(lines.values())[-1] for target, lines in self._lines.items()}
        return {target: source for target, source in last.items() if source is not None}

    def made(self, target: str, digest: str) -> Mapping[str, Path | None]:
        """By key, the pictures from which a file of that content was made."""
        lines = self._lines.get(target, {})
        return {key: source for (key, known), source in lines.items() if known == digest}

    def read_on(self) -> None:
        """Take in what has been written since."""
        for path in sorted([*self._folder.glob(f"{LEDGER}*.jsonl"), *self._folder.glob(FILE_LEDGER)]):
            start = self._ends.get(path, 0)
            with path.open("rb") as file:
                file.seek(start)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._ends[path] = start + len(whole) + len(newline)
            for line in whole.splitlines():
                self._take_in(line)

    def _take_in(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            target, made, source = entry["target"], (entry["key"], entry["sha256"]), entry.get("source")
            made_from = None if source is None else real_path(self._folder / source)
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # cut short by a kill or a full disk: its file never got its name
        self._lines[target].pop(made, None)  # so that the last is the last
        self._lines[target][made] = made_from
        self.news[target] = made_from


def results_among_others(folder: Path) -> set[str]:
    """The names of results in a folder that were named one by one."""
    names = set()
    with suppress(OSError):
        for line in (folder / FILE_LEDGER).read_bytes().splitlines():
            with suppress(ValueError, TypeError, KeyError):
                names.add(str(json.loads(line)["target"]))
    return names


def real_path(path: Path) -> Path:
    """A path without links, also of one that leads to itself."""
    return Path(os.path.realpath(path))
