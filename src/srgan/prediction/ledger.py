"""What an output folder holds of ours: each file with what it was made from, a line a file.

A line goes into the ledger before its file gets its name, so whenever the process dies, a file under its name is whole
and in the ledger. A line without a file, or with an older one, means: to be done.
"""

import errno
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from srgan.prediction.jobs import LEDGER, Shard

_CHUNK = 1 << 20  # bytes


class Standing(Enum):
    """How a file in the output folder stands to what is to be written there."""

    MISSING = auto()
    FINISHED = auto()  # made from the same input with the same settings
    OUTDATED = auto()  # made by us, from another input or with other settings
    FOREIGN = auto()  # not made by us, or changed since


class Ledger:
    """The record of one output folder.

    Each part of a shared folder writes a file of its own, since appending from several machines to one is not safe on
    network file systems; all are read.

    Args:
        folder: The output folder; made if need be.
        shard: The part of the work that is recorded here; None for all.

    Raises:
        OSError: If the folder cannot be written to.
    """

    def __init__(self, folder: Path, *, shard: Shard | None = None) -> None:
        self._folder = folder
        part = "" if shard is None else f"-{shard.index}-of-{shard.count}"
        self._file = folder / f"{LEDGER}{part}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file.open("ab").close()
        except OSError as error:
            raise OSError(
                f"Expected output= to be a folder that can be written to, but {folder}: {error.strerror}."
                " Choose another output=."
            ) from error
        self._records: dict[str, set[tuple[str, str]]] = defaultdict(set)  # target → (key, digest of the file)
        for file in folder.glob(f"{LEDGER}*.jsonl"):
            self._read(file)

    def standing(self, target: Path, *, key: str) -> Standing:
        """How the file at ``target`` stands to the result of ``key``."""
        if not target.is_file():
            return Standing.MISSING
        records = self._records[self._name(target)]
        if not records:
            return Standing.FOREIGN
        with target.open("rb") as file:
            found = digest(file)
        if (key, found) in records:
            return Standing.FINISHED
        return Standing.OUTDATED if any(known == found for _, known in records) else Standing.FOREIGN

    def record(self, target: Path, content: BinaryIO, *, key: str) -> None:
        """Note that ``content``, a whole file open for reading, is what ``key`` gives, before it gets its name.

        Raises:
            OSError: If it cannot be noted; then the file must not get its name either.
        """
        content.seek(0)
        entry = {"target": self._name(target), "key": key, "sha256": digest(content)}
        self._append(json.dumps(entry).encode() + b"\n")
        self._records[entry["target"]].add((key, entry["sha256"]))

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end > 0:
                file.seek(end - 1)
                if file.read(1) != b"\n":  # the last one was cut short
                    line = b"\n" + line
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file))
            os.fsync(descriptor)

    def _read(self, file: Path) -> None:
        for line in file.read_bytes().splitlines():
            try:
                entry = json.loads(line)
                self._records[entry["target"]].add((entry["key"], entry["sha256"]))
            except (ValueError, TypeError, KeyError):
                continue  # cut short by a kill or a full disk: its file never got its name

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()


def fingerprint(settings: Mapping[str, object], weights: Sequence[Path]) -> str:
    """A digest of all that decides a result besides the input: settings, as plain values, and weight files."""
    digests = []
    for path in weights:
        with path.open("rb") as file:
            digests.append(digest(file))
    return hashlib.sha256(json.dumps([dict(settings), digests], sort_keys=True).encode()).hexdigest()


def content_key(source: Path, made_with: str) -> str:
    """A digest of an input's bytes and a ``fingerprint``: the same key, the same result.

    Raises:
        OSError: If the input cannot be read, or is a pipe or a device, whose end may never come.
    """
    if source.exists() and not source.is_dir() and not source.is_file():
        raise OSError(f"Expected {source} to be a file, which it is not; a pipe can be given as input=-.")
    with source.open("rb") as file:
        return hashlib.sha256(f"{digest(file)} {made_with}".encode()).hexdigest()


def digest(file: BinaryIO) -> str:
    """SHA-256 of an open file from where it stands to its end."""
    state = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()
