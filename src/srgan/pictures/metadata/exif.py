"""Parses EXIF into directories and serialises it again, every value as the file stored it.

Structure: TIFF 6.0 (Aldus 1992), section 2; CIPA DC-008 (EXIF 3.0), 4.6; BigTIFF: that with 8-byte offsets.
"""

import io
import struct
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import IO, NamedTuple, Union

import numpy as np

PREFIX = b"Exif\0\0"
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005  # tags that point to directories
SHORT, LONG, RATIONAL, DOUBLE, LONG8 = 3, 4, 5, 12, 16
_MAKER_NOTE = 0x927C
_POINTERS = {None: (EXIF, GPS), EXIF: (INTEROP,)}
_SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, RATIONAL: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, DOUBLE: 8, 129: 1}
_WORDS = {SHORT: 2, LONG: 4, RATIONAL: 4, 8: 2, 9: 4, 10: 4, 11: 4, DOUBLE: 8}  # bytes of a word, which have an order
_ORDERS = {b"II": "<", b"MM": ">"}
_LARGEST_GAP = 2**16  # within a block: a TIFF's values may be scattered over gigabytes
_LARGEST = 2**26  # bytes of a value: more is damage


class Layout(NamedTuple):
    """How directories are stored in a file, as `struct` letters; ``kind`` is the TIFF type of an offset."""

    number: str  # of entries
    offset: str
    entry: str
    kind: int

    def end(self, number: int) -> int:
        """The offset in a directory, after so many entries, of its pointer to the next one."""
        return struct.calcsize(f"<{self.number}") + number * struct.calcsize(f"<{self.entry}")


CLASSIC, BIG = Layout("H", "I", "HHI4s", LONG), Layout("Q", "Q", "HHQ8s", LONG8)


@dataclass(frozen=True)
class Entry:
    """A value: its TIFF type, how many of these there are, their bytes, and where in the block they were."""

    kind: int
    count: int
    data: bytes
    place: int = 0


Directory = dict[int, Union[Entry, "Directory"]]


@dataclass(frozen=True)
class Block:
    """A tree of directories, the first being TIFF's own; ``order`` is the byte order, ``<`` or ``>``."""

    order: str
    tags: Directory

    def directory(self, *path: int) -> Directory:
        """The directory that a path of tags leads to; an empty one if there is none."""
        found = self.tags
        for tag in path:
            below = found.get(tag)
            found = below if isinstance(below, dict) else {}
        return found

    def numbers(self, entry: Entry, word: str) -> list[float]:
        """An entry's numbers, each of a `struct` letter."""
        return list(struct.unpack(f"{self.order}{len(entry.data) // struct.calcsize(word)}{word}", entry.data))

    def entry(self, kind: int, word: str, *numbers: float) -> Entry:
        """An entry of numbers, each of a `struct` letter; a rational is two."""
        data = struct.pack(f"{self.order}{len(numbers)}{word}", *numbers)
        return Entry(kind, len(data) // _SIZES[kind], data)

    def in_order(self, order: str) -> "Block":
        """The same in another order of bytes."""
        return self if order == self.order else Block(order, _swapped(self.tags))

    def tobytes(self) -> bytes:
        """The block as a JPEG holds it; empty bytes for an empty block."""
        if not self.tags:
            return b""
        mark = b"II" if self.order == "<" else b"MM"
        header = mark + struct.pack(f"{self.order}HI", 42, 8)
        return PREFIX + header + lay_out(self.tags, self.order, start=8, keep_notes=True)


def parse(stored: bytes | IO[bytes], *, without: Container[int] = (), index: int = 0) -> Block | None:
    """Parse a block, or a TIFF file.

    Args:
        stored: The block, with or without its prefix, or the file.
        without: Tags of the first directory that are not wanted.
        index: Which of a file's pages.

    Returns:
        What can be read of it: values outside the file are left out. None if it is no block.
    """
    file = io.BytesIO(stored.removeprefix(PREFIX)) if isinstance(stored, bytes) else stored
    try:
        head = _read(file, 0, 16)
        order = _ORDERS[head[:2]]
        big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
        layout = BIG if big else CLASSIC
        (place,) = struct.unpack_from(order + layout.offset, head, 8 if big else 4)
        for _ in range(index):
            place = _next(file, order, layout, place)
        return Block(order, _directory(file, order, layout, place, None, without))
    except (KeyError, struct.error, OverflowError):
        return None


def lay_out(tags: Directory, order: str, *, start: int, keep_notes: bool = False, layout: Layout = CLASSIC) -> bytes:
    """Serialise a directory, followed by its values and the directories below, for the offset ``start`` of a file.

    Args:
        tags: The directory; a pointer to a next one is left to the caller.
        order: Byte order.
        start: The directory's offset.
        keep_notes: Leave a maker's note where it was, if there is room: many count from the block's beginning.
        layout: ``BIG`` in a BigTIFF.
    """
    room = struct.calcsize(layout.offset)  # in an entry, for a value or its offset
    laid = bytearray(struct.pack(order + layout.number, len(tags)).ljust(layout.end(len(tags)) + room, b"\0"))
    for index, (tag, value) in enumerate(sorted(tags.items())):
        entry = Entry(layout.kind, 1, b"") if isinstance(value, dict) else value
        field = entry.data.ljust(room, b"\0")
        if isinstance(value, dict) or len(field) > room:
            if tag == _MAKER_NOTE and keep_notes:
                gap = entry.place - start - len(laid)
                laid.extend(bytes(gap if 0 < gap < _LARGEST_GAP else 0))
            laid.extend(bytes((start + len(laid)) % 2))  # values begin at even offsets
            field = struct.pack(order + layout.offset, start + len(laid))
            if isinstance(value, dict):
                below = start + len(laid)
                laid += lay_out(value, order, start=below, keep_notes=keep_notes, layout=layout)
            else:
                laid += value.data
        struct.pack_into(order + layout.entry, laid, layout.end(index), tag, entry.kind, entry.count, field)
    return bytes(laid)


def _read(file: IO[bytes], place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _entries(file: IO[bytes], order: str, layout: Layout, place: int) -> tuple[int, int]:
    """How many entries a directory has, and where they begin."""
    size = struct.calcsize(order + layout.number)
    return struct.unpack(order + layout.number, _read(file, place, size))[0], place + size


def _next(file: IO[bytes], order: str, layout: Layout, place: int) -> int:
    number, first = _entries(file, order, layout, place)
    size = struct.calcsize(order + layout.offset)
    pointer = first + number * struct.calcsize(order + layout.entry)
    following: int = struct.unpack(order + layout.offset, _read(file, pointer, size))[0]
    return following


def _directory(
    file: IO[bytes], order: str, layout: Layout, place: int, owner: int | None, without: Container[int]
) -> Directory:
    number, first = _entries(file, order, layout, place)
    size, tags = struct.calcsize(order + layout.entry), Directory()
    stored = _read(file, first, min(number, 2**16) * size)
    for offset in range(0, len(stored) - size + 1, size):
        tag, kind, count, field = struct.unpack_from(order + layout.entry, stored, offset)
        length = _SIZES.get(kind, _LARGEST) * count
        if tag in without:
            continue
        if tag in _POINTERS.get(owner, ()):
            try:
                (below,) = struct.unpack(order + layout.offset, field)
                tags[tag] = _directory(file, order, layout, below, tag, ())
            except (struct.error, OverflowError):
                continue
        elif 0 < length < _LARGEST:
            inside = length <= len(field)
            at = first + offset if inside else struct.unpack(order + layout.offset, field)[0]
            data = field[:length] if inside else _read(file, at, length)
            if len(data) == length:
                tags[tag] = Entry(kind, count, data, at)
    return tags


def _swapped(tags: Directory) -> Directory:
    swapped = Directory()
    for tag, value in tags.items():
        if isinstance(value, dict):
            swapped[tag] = _swapped(value)
        else:
            words = np.frombuffer(value.data, dtype=f"u{_WORDS.get(value.kind, 1)}")
            swapped[tag] = replace(value, data=words.byteswap().tobytes())
    return swapped
