"""Memory that stays: what large tensors leave is used by the next ones, and what is compiled for each size goes."""

import ctypes
import os
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_LARGEST = 2**31 - 1  # an int
_KERNELS = "64"  # those of ten sizes or so


def keep_memory() -> None:
    """Have glibc's allocator keep what is freed for what is allocated next; elsewhere without effect.

    By itself it maps each allocation above 32 MB, and unmaps it when it is freed: 25 000 page faults to enlarge 128x128
    pixels in float32, 3 000 without. In return the process holds on to the most that it has needed,
    and to half as much again that lies between. To be called before
    the work begins, by programs, not by the library.
    """
    if sys.platform == "linux" and hasattr(_libc(), "mallopt"):
        _libc().mallopt(_MMAP_THRESHOLD, _LARGEST)
        _libc().mallopt(_TRIM_THRESHOLD, _LARGEST)


def keep_few_kernels() -> None:
    """Have oneDNN keep the kernels that it has compiled for the last few sizes of tiles, unless the user has said more.

    By itself it keeps 1024: with pictures of ever other sizes a process grows by 1 to 2 MB with each size, for hundreds
    of them. To be called before the first convolution, by programs, not by the library.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KERNELS)


def kept_memory() -> int:
    """Bytes that the allocator keeps free, and the system counts as used; 0 where it does not say."""
    if sys.platform != "linux" or not hasattr(_libc(), "mallinfo2"):
        return 0
    return int(_libc().mallinfo2().fordblks)


class _Usage(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _before = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks")
    _fields_ = [(name, ctypes.c_size_t) for name in [*_before, "fordblks", "keepcost"]]


@cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    if hasattr(library, "mallinfo2"):  # since glibc 2.33
        library.mallinfo2.restype = _Usage
    return library
