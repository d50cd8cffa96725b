"""The chunks of a PNG file that Pillow does not pass on: what it states about its colours, and its text."""

import struct
import zlib
from collections.abc import Iterator
from typing import IO

from srgan.pictures.metadata import colours
from srgan.pictures.metadata.colours import Chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Texts that are left out: EXIF and XMP in disguise, which are handled elsewhere, and details of a preview.
_DISGUISED = (b"Raw profile type ", b"XML:com.adobe.xmp", b"Thumb::")
_LARGEST = 2**26  # bytes of a chunk that is kept


def kept_chunks(file: IO[bytes]) -> tuple[Chunk, ...]:
    """The chunks that the enlarged picture keeps unchanged; damaged ones are left out."""
    return tuple(
        (name, data)
        for name, data in _chunks(file)
        if name in colours.NAMES or (name in TEXTS and not data.startswith(_DISGUISED))
    )


def _chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """The undamaged chunks that may be kept, in order; pixels are skipped."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name not in colours.NAMES | TEXTS or length > _LARGEST:
            file.seek(length + 4, 1)
            continue
        data, checksum = file.read(length), file.read(4)
        if checksum == struct.pack(">I", zlib.crc32(data, zlib.crc32(name))):
            yield name, data
