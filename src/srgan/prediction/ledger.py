"""What an output folder holds of ours: each file with what it was made from, a line a file.

A line goes into the ledger before its file gets its name, so whenever the process dies, a file under its name is whole
and in the ledger. A line without a file, or with an older one, means: to be done.
"""

import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from threading import RLock

from srgan.prediction.jobs import Shard
from srgan.prediction.records import FILE_LEDGER, LEDGER, Records, real_path
from srgan.system.files import alone, file_digest


class Standing(Enum):
    """How a file in the output folder stands to what is to be written there."""

    MISSING = auto()
    FINISHED = auto()  # made from the same input with the same settings
    OUTDATED = auto()  # made by us, from an older input or with other settings
    TAKEN = auto()  # made by us from another picture, which still exists
    FOREIGN = auto()  # not made by us, or changed since


class Ledger:
    """The record of one output folder.

    Each part of a shared folder writes a file of its own, since appending from several machines to one is not safe on
    network file systems; all are read.

    Args:
        folder: The output folder; made if need be.
        shard: The part of the work that is recorded here; None for all.
        among_others: Whether the results lie among other files, whose folder is not one of results by that.

    Raises:
        OSError: If the folder cannot be written to.
    """

    def __init__(self, folder: Path, *, shard: Shard | None = None, among_others: bool = False) -> None:
        self._folder = folder
        part = "" if shard is None else f"-{shard.index}-of-{shard.count}"
        self._file = folder / (FILE_LEDGER if among_others else f"{LEDGER}{part}.jsonl")
        self._lock = self._file.with_name(f"{self._file.name}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file.open("ab").close()
        except OSError as error:
            raise OSError(
                f"Expected output= to be a folder that can be written to, but {folder}: {error.strerror}."
                " Choose another output=."
            ) from error
        self._records = Records(folder)
        self._one_at_a_time = RLock()  # results are noted by another thread than the one that looks for work

    def standing(self, target: Path, *, key: str, source: Path) -> Standing:
        """How the file at ``target`` stands to the result of ``key`` from ``source``."""
        if not target.is_file():
            return Standing.MISSING
        found = file_digest(target)
        name, own = self._name(target), real_path(source)
        with self._one_at_a_time:
            if not self._records.made(name, found):
                self._records.read_on()  # another process may be at work in this folder
            made = self._records.made(name, found)
        if key in made:
            return Standing.FINISHED
        if not made:
            return Standing.FOREIGN
        return Standing.TAKEN if all(_is_another(each, own) for each in made.values()) else Standing.OUTDATED

    def refusal(self, target: Path) -> str:
        """Why a file that is taken is not replaced."""
        with self._one_at_a_time:
            owner = self._records.owners.get(self._name(target))
        return (
            f"{target} is the result of {_shown(owner)}, another picture. Name another output="
            " (overwrite=true replaces it)."
        )

    def record(self, target: Path, digest: str, *, key: str, source: Path, overwrite: bool = False) -> None:
        """Note that a whole file is what ``key`` gives, before it gets its name.

        Args:
            target: The file's name to be.
            digest: SHA-256 of its content.
            key: The ``content_key`` of its input and the settings.
            source: The input.
            overwrite: Whether the name may be another's.

        Raises:
            OSError: If it cannot be noted; then the file must not get its name either.
            ValueError: If the name has become another's in the meantime; likewise.
        """
        entry = {"target": self._name(target), "key": key, "sha256": digest, "source": self._relative(source)}
        with self._one_at_a_time, alone(self._lock):
            self._records.read_on()
            if not overwrite:
                self._require_free(target, key=key, source=source)
            self._append(entry)

    def _require_free(self, target: Path, *, key: str, source: Path) -> None:
        """Look again, since the work has taken its time; what others have noted may have no name yet."""
        standing = self.standing(target, key=key, source=source)
        if standing is Standing.TAKEN or _is_another(self._records.news.get(self._name(target)), real_path(source)):
            raise ValueError(self.refusal(target))
        if standing is Standing.FOREIGN:
            raise ValueError(f"{target} has come to be there in the meantime, and not from predict.py: it is kept.")

    def _append(self, entry: Mapping[str, str]) -> None:
        line = json.dumps(entry).encode() + b"\n"
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

    def _relative(self, source: Path) -> str:
        """From the output folder, so that both may be moved together; on Windows it may lie on another drive."""
        try:
            return Path(os.path.relpath(real_path(source), real_path(self._folder))).as_posix()
        except ValueError:
            return real_path(source).as_posix()

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()


def _is_another(made_from: Path | None, own: Path) -> bool:
    """Whether a file was made from another picture, which is still there."""
    return made_from is not None and made_from != own and made_from.exists()


def _shown(path: Path | None) -> Path | None:
    return path.relative_to(Path.cwd()) if path is not None and path.is_relative_to(Path.cwd()) else path


def fingerprint(settings: Mapping[str, object], weights: Sequence[Path]) -> str:
    """A digest of all that decides a result besides the input: settings, as plain values, and weight files."""
    digests = [file_digest(path) for path in weights]
    return hashlib.sha256(json.dumps([dict(settings), digests], sort_keys=True).encode()).hexdigest()


def content_key(source: Path, made_with: str) -> str:
    """A digest of an input's bytes and a ``fingerprint``: the same key, the same result.

    Raises:
        OSError: If the input cannot be read, or is a pipe or a device, whose end may never come.
    """
    if source.exists() and not source.is_dir() and not source.is_file():
        raise OSError(f"Expected {source} to be a file, which it is not; a pipe can be given as input=-.")
    return hashlib.sha256(f"{file_digest(source)} {made_with}".encode()).hexdigest()
