"""PNG files byte by byte, for the kinds that no library writes."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

Chunk = tuple[bytes, bytes]  # name, data


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_png(
    path: Path,
    header: tuple[int, int, int, int],
    rows: Sequence[bytes],
    *,
    before: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
) -> None:
    """Write rows of bytes; the header is width, height, depth and colour type."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), *before]
    parts += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), *after, (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def chunks_of(path: Path) -> list[Chunk]:
    """All chunks of a file, in their order."""
    content, place, found = path.read_bytes(), 8, []
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found
