"""Decoded photos on disk, memory-mapped: a crop costs microseconds and no memory, in every later epoch and run.

One file for each photo, named by a hash of what it was made from: where the photo lies, its size and times, and how it
was reduced. So a changed photo is a new entry, an added one costs its own decoding alone, and runs share what they have
in common. A name is never looked up in a list that could be damaged: an entry is there, whole, or it is not.
"""

import hashlib
import mmap
import os
import re
import shutil
import struct
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from srgan.files import alone, atomic_write

# Raise the number when pixels come out otherwise than before: entries of other versions are then those of other photos.
_MAGIC = b"srganp01"
_HEADER = struct.Struct("<8s4IB39x")  # magic, height and width of lr and hr, whether the pixels follow; 64 bytes
_LOCK = ".lock"
_OURS = re.compile(r"(?:\.unfinished-(?:[0-9a-f]{8}-)?)?[0-9a-f]{32}")  # entries, and what kills left of them
_TOUCH_AFTER = 3600  # seconds: how exactly the last use is known
_DISK_RESERVE = 2 * 2**30  # bytes left free, since checkpoints need the disk more; of a small disk the share below
_DISK_RESERVE_SHARE = 0.05


class CacheWarning(UserWarning):
    """Photos have to be decoded at each use; the message says why."""


@dataclass(frozen=True)
class Entry:
    """What is known of a photo that was decoded once.

    ``lr_size`` and ``hr_size`` are height and width. Without ``stored`` the file holds these alone, so that a photo for
    which there was no room need not be decoded again to be checked.
    """

    path: str
    lr_size: tuple[int, int]
    hr_size: tuple[int, int]
    stored: bool

    @classmethod
    def of(cls, lr: Tensor, hr: Tensor, *, path: str = "", stored: bool = False) -> "Entry":
        """The entry of two pictures of shape (3, h, w)."""
        sizes = [(image.shape[-2], image.shape[-1]) for image in (lr, hr)]
        return cls(path, sizes[0], sizes[1], stored)

    @property
    def num_bytes(self) -> int:
        """Size of the file with its pixels."""
        return _HEADER.size + _num_values(self.lr_size) + _num_values(self.hr_size)

    def read(self) -> tuple[Tensor, Tensor] | None:
        """Map the pixels into memory: LR and HR, uint8, (3, h, w) each, rows interleaved as RGBRGB….

        The map is opened anew each time and ends with the tensors, so that neither files held open nor pages seen add
        up over a large collection. Writing to the tensors changes no file.

        Returns:
            None if the file has gone or is not what it was.
        """
        try:
            with open(self.path, "rb", buffering=0) as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError):  # gone, or empty
            return None
        if len(mapped) != self.num_bytes:
            return None
        pixels = torch.frombuffer(mapped, dtype=torch.uint8, offset=_HEADER.size)
        lr, hr = pixels.tensor_split([_num_values(self.lr_size)])
        return lr.view(*self.lr_size, 3).permute(2, 0, 1), hr.view(*self.hr_size, 3).permute(2, 0, 1)

    def write(self, file: BinaryIO, lr: Tensor, hr: Tensor) -> None:
        """Write the whole file."""
        file.write(_HEADER.pack(_MAGIC, *self.lr_size, *self.hr_size, self.stored))
        for image in (lr, hr) if self.stored else ():
            file.write(np.ascontiguousarray(image.permute(1, 2, 0).numpy()).data)


class DecodedCache:
    """The entries in one folder, of all runs, up to a size; the least recently used make room for new ones.

    Nothing here fails a run: what cannot be read counts as absent, what cannot be written is decoded at each use.

    Args:
        folder: Where the entries lie; None is the user's cache folder on this platform.
        gigabytes: Size of all entries together, in 10^9 bytes.
    """

    def __init__(self, folder: Path | None, *, gigabytes: float) -> None:
        self.folder = folder or user_cache_path("srgan", appauthor=False) / "photos"
        self._budget = round(gigabytes * 1e9)
        self._in_use: dict[str, int] = {}  # bytes of the entries that this run needs, by name
        self._others: dict[str, int] = {}  # the same of those that it does not, used longest ago first
        self.num_bytes = 0  # of all that this run needs
        self._num_other_bytes = 0
        self._refusal: str | None = None  # why something was not stored
        self._writable = True
        self._warned = False
        self._guard = threading.Lock()

    def find(self, name: str) -> Entry | None:
        """The entry of a name, marked as used; None if there is none that is whole and of this version."""
        entry = _read_entry(str(self.folder / name))
        if entry is not None:
            self._use(entry)
        return entry

    def missing(self, entries: Sequence[Entry | None]) -> list[int]:
        """Which of some photos are to be decoded: those never seen, and those that now find the room they did not."""
        room = self._budget - self.num_bytes
        if any(entry is not None and not entry.stored for entry in entries):
            room = min(room, self._free_on_disk())
        indices = []
        for index, entry in enumerate(entries):
            fits = entry is not None and not entry.stored and entry.num_bytes <= room
            if entry is not None and fits:
                room -= entry.num_bytes
            if entry is None or fits:
                indices.append(index)
        return indices

    @contextmanager
    def building(self) -> Iterator[None]:
        """Alone among all processes, so that each entry is made once: look again with ``find`` before making one.

        Warns:
            CacheWarning: Once, at the end, if something could not be stored.
        """
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(alone(self.folder / _LOCK))
                self._survey()
            except OSError as error:
                self._give_up(error)
            yield
        if self._refusal and not self._warned:
            self._warned = True
            warnings.warn(f"Some photos are decoded at each use, which is slow: {self._refusal}", CacheWarning, 3)

    def store(self, name: str, lr: Tensor, hr: Tensor) -> Entry:
        """Write an entry, whole or not at all; threads may do so at once.

        Args:
            name: From ``entry_name``.
            lr: uint8, shape (3, h, w).
            hr: uint8, shape (3, scale * h, scale * w).

        Returns:
            The entry; without ``stored`` where there was no room.
        """
        entry = Entry.of(lr, hr, path=str(self.folder / name), stored=True)
        if not self._make_room(name, entry.num_bytes):
            entry = replace(entry, stored=False)
        if not self._writable:
            return replace(entry, stored=False)
        try:
            with atomic_write(self.folder / name) as file:
                entry.write(file, lr, hr)
        except OSError as error:
            self._give_up(error)
            entry = replace(entry, stored=False)
        self._use(entry)
        return entry

    def _use(self, entry: Entry) -> None:
        with self._guard:
            self._count(os.path.basename(entry.path), entry.num_bytes if entry.stored else 0)

    def _count(self, name: str, num_bytes: int) -> None:
        self.num_bytes += num_bytes - self._in_use.get(name, 0)
        self._in_use[name] = num_bytes
        self._num_other_bytes -= self._others.pop(name, 0)

    def _make_room(self, name: str, num_bytes: int) -> bool:
        """Drop what was used longest ago, as far as need be and if that is enough, and take the room for an entry."""
        with self._guard:
            if not self._writable:
                return False
            if self.num_bytes + num_bytes > self._budget:
                self._refusal = f"data.cache_gigabytes={self._budget / 1e9:g} is used up. Raise it if the disk allows."
                return False
            in_vain = num_bytes > self._free_on_disk() + self._num_other_bytes
            while self._others and not in_vain and not self._has_room(num_bytes):
                oldest = next(iter(self._others))
                self._num_other_bytes -= self._others.pop(oldest)
                with suppress(OSError):
                    (self.folder / oldest).unlink()
            if not self._has_room(num_bytes):
                self._refusal = f"the disk of {self.folder} is nearly full. Name another folder with data.cache_dir."
                return False
            self._count(name, num_bytes)
            return True

    def _has_room(self, num_bytes: int) -> bool:
        within_budget = self.num_bytes + self._num_other_bytes + num_bytes <= self._budget
        return within_budget and num_bytes <= self._free_on_disk()

    def _free_on_disk(self) -> int:
        try:
            disk = shutil.disk_usage(self.folder)
        except OSError:
            return 0
        return int(disk.free - min(_DISK_RESERVE, _DISK_RESERVE_SHARE * disk.total))

    def _survey(self) -> None:
        """See which other entries lie in the folder, unfinished ones of killed processes included, and nothing else."""
        found = []
        with os.scandir(self.folder) as files:
            for file in files:
                if file.name not in self._in_use and _OURS.fullmatch(file.name):
                    with suppress(FileNotFoundError):
                        status = file.stat()
                        found.append((status.st_mtime, file.name, status.st_size))
        self._others = {name: num_bytes for _, name, num_bytes in sorted(found)}
        self._num_other_bytes = sum(self._others.values())

    def _give_up(self, error: OSError) -> None:
        self._writable = False
        self._refusal = (
            f"{self.folder} cannot be written to ({error.strerror or error}). Name another folder with data.cache_dir,"
            " or switch the cache off with data.cache_gigabytes=0."
        )


def entry_name(paths: Sequence[Path], *, scale: int, reduction: float) -> str:
    """A name that changes with the content of the files, as far as their size and times tell, and with what is made.

    Not with a hash of the content itself, for which each start of a run would read all files. The time of the last
    change of the file's status is among the times: it tells apart what has been given its old modification time back.

    Args:
        paths: The HR file and, where there is one, its LR partner.
        scale: Size of HR over size of LR.
        reduction: Factor by which the HR file is made smaller first.

    Raises:
        OSError: If a file is missing.
    """
    identity: list[object] = [_MAGIC, scale, float(reduction)]
    for path in paths:
        status = path.stat()
        identity += [_resolved(str(path.parent)), path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return hashlib.sha256(repr(identity).encode(errors="surrogateescape")).hexdigest()[:32]


@lru_cache(maxsize=1024)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)


def _read_entry(path: str) -> Entry | None:
    try:
        with open(path, "rb", buffering=0) as file:
            header, status = file.read(_HEADER.size), os.fstat(file.fileno())
    except OSError:
        return None
    if len(header) < _HEADER.size:
        return None
    magic, lr_height, lr_width, hr_height, hr_width, stored = _HEADER.unpack(header)
    entry = Entry(path, (lr_height, lr_width), (hr_height, hr_width), bool(stored))
    if magic != _MAGIC or status.st_size != (entry.num_bytes if stored else _HEADER.size):
        return None
    if time.time() - status.st_mtime > _TOUCH_AFTER:
        with suppress(OSError):  # in a folder that may only be read
            os.utime(path)
    return entry


def _num_values(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]
