"""One decoded photo on disk: its file format, and a name that identifies its source."""

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

# Raise the number when decoded pixels change: entries of other versions are then not found.
_MAGIC = b"srganp05"
_HEADER = struct.Struct("<8s4IB39x")  # magic, height and width of lr and hr, whether the pixels follow; 64 bytes
# Linux caches what is written at once in the largest pages that fit. Crops of large photos, spread over many pages,
# gain from that. Small photos do not, and a virtual machine that returns free memory waits long for large pages.
_LARGE, _PIECE = 2**25, 2**20  # bytes
_TOUCH_AFTER = 3600  # seconds: the precision of the time of the last use


@dataclass(frozen=True)
class Entry:
    """What is known of a decoded photo.

    ``lr_size`` and ``hr_size`` are height and width. If not ``stored``, the file holds only these, so that a photo for
    which there was no room need not be decoded again to be checked.
    """

    path: str
    lr_size: tuple[int, int]
    hr_size: tuple[int, int]
    stored: bool

    @classmethod
    def of(cls, lr: Tensor, hr: Tensor, *, path: str = "", stored: bool = False) -> "Entry":
        """The entry of two images of shape (3, h, w)."""
        sizes = [(image.shape[-2], image.shape[-1]) for image in (lr, hr)]
        return cls(path, sizes[0], sizes[1], stored)

    @property
    def is_empty(self) -> bool:
        """Whether the photo is too small for one LR pixel, so that there is nothing to store."""
        return 0 in self.lr_size

    @property
    def num_bytes(self) -> int:
        """Size of the file, including pixels."""
        return _HEADER.size + _num_values(self.lr_size) + _num_values(self.hr_size)

    def read(self) -> tuple[Tensor, Tensor] | None:
        """Map the pixels into memory: LR and HR, uint8, (3, h, w) each, rows interleaved as RGBRGB….

        Each call opens a new map that ends with the tensors, so that open files and pages do not accumulate over many
        photos. Writing to the tensors does not change the file.

        Returns:
            None if the file is missing or has changed.
        """
        try:
            with open(self.path, "rb", buffering=0) as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
                status = os.fstat(file.fileno())
        except (OSError, ValueError):  # missing, or empty
            return None
        if len(mapped) != self.num_bytes:
            return None
        _mark_as_used(self.path, status)  # so that another run does not evict it
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
    """A name that changes with the files' content, as far as their sizes and times show, and with what is made of them.

    Not a hash of the content, for which every start of a run would read all files. The times include that of the last
    status change, which reveals a changed file whose old modification time was restored.

    Args:
        paths: The HR file and, where there is one, its LR partner.
        scale: Size of HR over size of LR.
        reduction: Factor by which the HR photo is reduced first.

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
    """The entry in a file, marked as used; None unless it is complete and of this version."""
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
        with suppress(OSError):  # the folder is read-only
            os.utime(path)


def _num_values(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]
