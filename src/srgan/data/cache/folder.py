"""Decoded photos on disk, memory-mapped: a crop takes microseconds and no memory, in every later epoch and run.

One file per photo, named by a hash of its source: the photo's path, size and times, and its reduction. So a changed
photo is a new entry, an added one only costs its own decoding, and runs share entries. There is no index that could be
damaged: an entry exists, complete, or it does not.
"""

import os
import re
import shutil
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from platformdirs import user_cache_path
from torch import Tensor

from srgan.data.cache.entry import Entry, read_entry
from srgan.system.files import alone, atomic_write

_LOCK = ".lock"
_OURS = re.compile(r"(?:\.unfinished-(?:[0-9a-f]{8}-)?)?[0-9a-f]{32}")  # entries, and what kills left of them
_DISK_RESERVE = 2 * 2**30  # bytes to leave free for checkpoints; on a small disk, the share below
_DISK_RESERVE_SHARE = 0.05


class CacheWarning(UserWarning):
    """Photos must be decoded at each use; the message says why."""


class DecodedCache:
    """The entries of all runs in one folder, up to a size; the least recently used make room for new ones.

    No error here ends a run: what cannot be read is treated as missing, what cannot be written is decoded at each use.

    Args:
        folder: Folder of the entries; None is the user's cache folder on this platform.
        gigabytes: Size of all entries together, in 10^9 bytes.
    """

    def __init__(self, folder: Path | None, *, gigabytes: float) -> None:
        self.folder = folder or user_cache_path("srgan", appauthor=False) / "photos"
        self._budget = round(gigabytes * 1e9)
        self._in_use: dict[str, int] = {}  # bytes of the entries that this run needs, by name
        self._others: dict[str, int] = {}  # likewise of those that it does not need, least recently used first
        self.num_bytes = 0  # of all that this run needs
        self._num_other_bytes = 0
        self._refusal: str | None = None  # why something was not stored
        self._writable = True
        self._warned = False
        self._guard = threading.Lock()

    def find(self, name: str) -> Entry | None:
        """The entry of a name, marked as used; None unless it is complete and of this version."""
        entry = read_entry(str(self.folder / name))
        if entry is not None:
            self._use(entry)
        return entry

    def missing(self, entries: Sequence[Entry | None]) -> list[int]:
        """Indices of the photos to decode: those without an entry, and those for which there is room now."""
        room = self._budget - self.num_bytes
        if any(entry is not None and not entry.stored for entry in entries):
            room = min(room, self._free_on_disk())
        indices = []
        for index, entry in enumerate(entries):
            if entry is None:
                indices.append(index)
            elif not entry.stored and not entry.is_empty and entry.num_bytes <= room:
                room -= entry.num_bytes
                indices.append(index)
        return indices

    @contextmanager
    def building(self) -> Iterator[None]:
        """Run alone among all processes, so that each entry is made once: call ``find`` again before making one."""
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(alone(self.folder / _LOCK))
                self._survey()
            except OSError as error:
                self._give_up(error)
            yield

    def store(self, name: str, lr: Tensor, hr: Tensor) -> Entry:
        """Write an entry, whole or not at all; several threads may do so at once.

        Args:
            name: From ``entry_name``.
            lr: uint8, shape (3, h, w).
            hr: uint8, shape (3, scale * h, scale * w).

        Returns:
            The entry; not ``stored`` if there was no room, or there are no LR pixels.
        """
        entry = Entry.of(lr, hr, path=str(self.folder / name), stored=True)
        if entry.is_empty or not self._make_room(name, entry.num_bytes):
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

    def warn_of(self, entries: Sequence[Entry]) -> None:
        """Warn how many photos are not stored, and why.

        Warns:
            CacheWarning: Unless all are stored, or it has warned before.
        """
        left = [entry for entry in entries if not entry.stored and not entry.is_empty]
        if left and not self._warned:
            self._warned = True
            reason = self._refusal or self._no_room(left[0].num_bytes)  # if an earlier run stored its size only
            message = f"{len(left)} of {len(entries)} photos are decoded at each use, which is slow: {reason}"
            warnings.warn(message, CacheWarning, 3)

    def trim(self) -> None:
        """Drop the least recently used entries that this run does not need, if the folder is over its limit.

        Call it once all photos of the run have been looked up; before that it does nothing. It waits for a process that
        builds, but only if it has something to drop.
        """
        if not self._in_use:
            return
        with suppress(OSError):  # the folder is missing or read-only
            self._survey()
            if not self._is_over_budget():
                return
            with alone(self.folder / _LOCK):
                self._survey()
                while self._others and self._is_over_budget():
                    self._drop_oldest()

    def _use(self, entry: Entry) -> None:
        with self._guard:
            self._count(os.path.basename(entry.path), entry.num_bytes if entry.stored else 0)

    def _count(self, name: str, num_bytes: int) -> None:
        self.num_bytes += num_bytes - self._in_use.get(name, 0)
        self._in_use[name] = num_bytes
        self._num_other_bytes -= self._others.pop(name, 0)

    def _make_room(self, name: str, num_bytes: int) -> bool:
        """Reserve room for an entry, dropping the least recently used others if that makes enough room."""
        with self._guard:
            if not self._writable:
                return False
            hopeless = self._is_beyond_budget(num_bytes) or num_bytes > self._free_on_disk() + self._num_other_bytes
            while self._others and not hopeless and not self._has_room(num_bytes):
                self._drop_oldest()
            if not self._has_room(num_bytes):
                self._refusal = self._no_room(num_bytes)
                return False
            self._count(name, num_bytes)
            return True

    def _no_room(self, num_bytes: int) -> str:
        if self._is_beyond_budget(num_bytes):
            return f"data.cache_gigabytes={self._budget / 1e9:g} is used up. Raise it if the disk allows."
        return f"the disk of {self.folder} is nearly full. Choose another folder with data.cache_dir."

    def _is_beyond_budget(self, num_bytes: int) -> bool:
        """Whether an entry would not fit even if all entries of other runs were dropped."""
        return self.num_bytes + num_bytes > self._budget

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._others))
        self._num_other_bytes -= self._others.pop(oldest)
        with suppress(OSError):
            (self.folder / oldest).unlink()

    def _has_room(self, num_bytes: int) -> bool:
        return not self._is_over_budget(num_bytes) and num_bytes <= self._free_on_disk()

    def _is_over_budget(self, more: int = 0) -> bool:
        return self.num_bytes + self._num_other_bytes + more > self._budget

    def _free_on_disk(self) -> int:
        try:
            disk = shutil.disk_usage(self.folder)
        except OSError:
            return 0
        return int(disk.free - min(_DISK_RESERVE, _DISK_RESERVE_SHARE * disk.total))

    def _survey(self) -> None:
        """List the other entries in the folder, including unfinished ones of killed processes, but no other files."""
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
            f"{self.folder} cannot be written to ({error.strerror or error}). Choose another folder with data.cache_dir"
            " or switch the cache off with data.cache_gigabytes=0."
        )
