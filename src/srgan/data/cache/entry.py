"""One decoded photo on disk: the format of its file, and the name that says what it was made from."""

import hashlib
import mmap
import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

# Raise the number when pixels come out otherwise than before: entries of other versions are then those of other photos.
_MAGIC = b"srganp04"
_HEADER = struct.Struct("<8s4IB39x")  # magic, height and width of lr and hr, whether the pixels follow; 64 bytes
# Linux keeps what is written at once in pages as huge as fit. Crops of large pictures, spread over many pages, gain by
# that. Others do not, and a virtual machine that gives free memory back waits for huge ones longer than for the photo.
_LARGE, _PIECE = 2**25, 2**20  # bytes
_TOUCH_AFTER = 3600  # seconds: how exactly the last use is known


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
    def is_empty(self) -> bool:
        """Whether the photo is too small to give an LR pixel; there is nothing to store of it but this."""
        return 0 in self.lr_size

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
                status = os.fstat(file.fileno())
        except (OSError, ValueError):  # gone, or empty
            return None
        if len(mapped) != self.num_bytes:
            return None
        _mark_as_used(self.path, status)  # lest another run should take it for one that nobody needs
        pixels = torch.frombuffer(mapped, dtype=torch.uint8, offset=_HEADER.size)
        lr, hr = pixels.tensor_split([_num_values(self.lr_size)])
        return lr.view(*self.lr_size, 3).permute(2, 0, 1), hr.view(*self.hr_size, 3).permute(2, 0, 1)

    def write(self, file: BinaryIO, lr: Tensor, hr: Tensor) -> None:
        """Write the whole file."""
        file.write(_HEADER.pack(_MAGIC, *self.lr_size, *self.hr_size, self.stored))
        piece = _PIECE if self.num_bytes < _LARGE else self.num_bytes
        for image in (lr, hr) if self.stored else ():
            pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy()).reshape(-1).data
            for start in range(0, len(pixels), piece):
                file.write(pixels[start : start + piece])


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


def read_entry(path: str) -> Entry | None:
    """The entry of a file, marked as used; None if there is none that is whole and of this version."""
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
    _mark_as_used(path, status)
    return entry


def _mark_as_used(path: str, status: os.stat_result) -> None:
    if time.time() - status.st_mtime > _TOUCH_AFTER:
        with suppress(OSError):  # in a folder that may only be read
            os.utime(path)


def _num_values(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]
