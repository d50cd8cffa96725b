"""What people write into picture files besides EXIF: the comments of a JPEG, and IPTC (caption, credit, copyright).

JPEG: ITU-T T.81, B.1.1. Photoshop's resources, in which a JPEG holds IPTC: Adobe Photoshop File Formats Specification.
"""

import struct
from collections.abc import Container, Iterator, Sequence
from typing import IO

from srgan.pictures.metadata.exif import LONG, Entry, parse

_COMMENT, _APP13, _SCAN, _END = 0xFE, 0xED, 0xDA, 0xD9
_PHOTOSHOP, _RESOURCE = b"Photoshop 3.0\0", b"8BIM"
_IPTC, _IPTC_TAG = 0x0404, 33723  # Photoshop's number and TIFF's
_RECORD = b"\x1c"  # the byte that each record of IPTC begins with
_LONGEST = 65533  # bytes of a segment
_MOST_BYTES = 2**24


def of_jpeg(file: IO[bytes]) -> tuple[tuple[bytes, ...], bytes | None]:
    """The comments of a JPEG file, and its IPTC, as they are."""
    comments, resources = [], b""
    for marker, data in _segments(file):
        if marker == _COMMENT:
            comments.append(data)
        elif marker == _APP13 and data.startswith(_PHOTOSHOP):
            resources += data.removeprefix(_PHOTOSHOP)
    return tuple(comments), dict(_resources(resources)).get(_IPTC) or None


def of_tiff(file: IO[bytes], index: int) -> bytes | None:
    """The IPTC of a TIFF page; many programs store it as words of 4 bytes, in either order."""
    block = parse(file, without=_OTHER_TAGS, index=index)
    entry = None if block is None else block.tags.get(_IPTC_TAG)
    if not isinstance(entry, Entry):
        return None
    data = entry.data
    if data[:1] != _RECORD and entry.kind == LONG:
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    return data if data[:1] == _RECORD else None


class _AllBut(Container[int]):
    """All numbers but one."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __contains__(self, number: object) -> bool:
        return number != self._number


_OTHER_TAGS = _AllBut(_IPTC_TAG)


def as_segments(comments: Sequence[bytes], iptc: bytes | None) -> bytes:
    """Both as JPEG segments, for the head of a file."""
    segments = [(_COMMENT, comment[:_LONGEST]) for comment in comments]
    if iptc:
        resource = _RESOURCE + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
        room = _LONGEST - len(_PHOTOSHOP)
        segments += [(_APP13, _PHOTOSHOP + resource[at : at + room]) for at in range(0, len(resource), room)]
    return b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)


def _segments(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Markers and contents of the segments up to the pixels."""
    file.seek(2)
    while len(head := file.read(2)) == 2 and head[0] == 0xFF and head[1] not in (_SCAN, _END):
        if head[1] == 0xFF:  # a fill byte
            file.seek(-1, 1)
            continue
        length = file.read(2)
        if len(length) < 2:
            return
        yield head[1], file.read(max(int.from_bytes(length, "big") - 2, 0))


def _resources(stored: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of Photoshop's resources."""
    at = 0
    while stored[at : at + 4] == _RESOURCE and len(stored) > at + 7:
        (number,) = struct.unpack_from(">H", stored, at + 4)
        at += 6 + (stored[at + 6] + 2) // 2 * 2  # a name, preceded by its length, padded to an even number
        if len(stored) < at + 4:
            return
        (length,) = struct.unpack_from(">I", stored, at)
        if length > _MOST_BYTES or len(stored) < at + 4 + length:
            return
        yield number, stored[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
