"""Keeps freed memory for the next large tensors, and limits how many compiled kernels are kept."""

import ctypes
import os
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_LARGEST = 2**31 - 1  # an int
_KERNELS = "64"  # those of ten sizes or so


def keep_memory() -> None:
    """Have glibc's allocator keep freed memory for later allocations; no effect elsewhere.

    By default it maps each allocation above 32 MB and unmaps it when freed: 25 000 page faults to enlarge 128x128
    pixels in float32, against 3 000. In return the process keeps its peak memory, and half as much again in gaps. To be
    called before the work begins, by programs, not by the library.
    """
    if sys.platform == "linux" and hasattr(_libc(), "mallopt"):
        _libc().mallopt(_MMAP_THRESHOLD, _LARGEST)
        _libc().mallopt(_TRIM_THRESHOLD, _LARGEST)


def keep_few_kernels() -> None:
    """Have oneDNN keep only the kernels compiled for the last few tile sizes, unless the user has set a number.

    By default it keeps 1024: with pictures of many sizes a process grows by 1 to 2 MB with each size, for hundreds of
    them. To be called before the first convolution, by programs, not by the library.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KERNELS)


def kept_memory() -> int:
    """Bytes that the allocator has free but the system counts as used; 0 if it does not report them."""
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
