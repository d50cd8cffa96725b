"""Writes TIFF files of 8 or 16 bits, with one page or more, in bands of rows: Pillow has no 16-bit colour.

16-bit gray with alpha is written as RGBA, since Pillow cannot read it from a TIFF. Uncompressed, so that the offset of
each strip is known before the first is written; beyond four gigabytes a BigTIFF. Tags: TIFF 6.0 (Aldus 1992). Not by
tifffile, which writes strips and profiles too, but not the directories of EXIF and GPS, which pages keep.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO

from PIL import ExifTags

from srgan.pictures import metadata
from srgan.pictures.decoded.bands import bands, rows_per_band
from srgan.pictures.decoded.picture import Picture
from srgan.pictures.metadata.exif import BIG, CLASSIC, LONG, SHORT, Block, Directory, Entry, Layout, lay_out, parse

_LARGEST_CLASSIC = 2**32 - 2**26  # bytes of pixels that 32-bit offsets reach, with a margin for tags
_UNCOMPRESSED, _BLACK_IS_ZERO, _RGB, _UNMULTIPLIED_ALPHA = 1, 1, 2, 2
_ORDER = "<"
_HEADERS = {CLASSIC: b"II*\0", BIG: b"II+\0\x08\0\0\0"}  # up to the place of the first page
_UNDEFINED, _IPTC = 7, 33723
_LONGS = frozenset({ExifTags.Base(tag) for tag in (256, 257, 278, 279)})  # sizes; the rest is short


def write_tiff(file: BinaryIO, pages: Sequence[Picture], *, profiles: Sequence[bytes | None]) -> None:
    """Write pictures as the pages of a file, each at its own depth.

    Args:
        file: Where to write; it has to seek.
        pages: The pictures.
        profiles: The colour profile of each.
    """
    total = sum(_row_bytes(page) * page.size[0] for page in pages)
    layout = CLASSIC if total <= _LARGEST_CLASSIC else BIG
    pointer = len(_HEADERS[layout])
    file.write(_HEADERS[layout] + bytes(struct.calcsize(layout.offset)))
    for page, profile in zip(pages, profiles, strict=True):
        start = file.tell()
        laid, num_entries = _laid_out(page, profile, start=start, layout=layout)
        file.write(laid)
        _point(file, pointer, start, layout)
        pointer = start + layout.end(num_entries)
        for band in bands(page, bits=page.bits, gray=is_stored_gray(page)):
            file.write(band.astype("<u2" if page.bits == 16 else "u1").tobytes())
        if file.tell() % 2:
            file.write(b"\0")  # a directory begins at an even place


def is_stored_gray(page: Picture) -> bool:
    """Whether a page is written as gray; then its profile must be one for gray."""
    return page.gray and not (page.alpha is not None and page.bits == 16)


def _directory(page: Picture, profile: bytes | None) -> tuple[Directory, list[int]]:
    """A page's tags except the offsets of its strips, and the sizes of the strips."""
    block = ((page.exif and parse(page.exif)) or Block(_ORDER, {})).in_order(_ORDER)
    block = metadata.with_resolution(block, page.dpi)
    height, width = page.size
    channels, rows = _channels(page), rows_per_band(page)
    sizes = [min(rows, height - top) * _row_bytes(page) for top in range(0, height, rows)]
    tags = ExifTags.Base
    numbers: dict[int, tuple[int, ...]] = {
        tags.ImageWidth: (width,),
        tags.ImageLength: (height,),
        tags.BitsPerSample: (page.bits,) * channels,
        tags.SamplesPerPixel: (channels,),
        tags.Compression: (_UNCOMPRESSED,),
        tags.PlanarConfiguration: (1,),
        tags.PhotometricInterpretation: (_BLACK_IS_ZERO if is_stored_gray(page) else _RGB,),
        tags.RowsPerStrip: (rows,),
        tags.StripByteCounts: tuple(sizes),
    }
    if page.alpha is not None:
        numbers[tags.ExtraSamples] = (_UNMULTIPLIED_ALPHA,)
    directory = dict(block.tags)
    for tag, values in numbers.items():
        kind, word = (LONG, "I") if tag in _LONGS else (SHORT, "H")
        directory[tag] = block.entry(kind, word, *values)
    if page.iptc:
        directory[_IPTC] = Entry(_UNDEFINED, len(page.iptc), page.iptc)
    if profile:
        directory[tags.InterColorProfile] = Entry(_UNDEFINED, len(profile), profile)
    return directory, sizes


def _laid_out(page: Picture, profile: bytes | None, *, start: int, layout: Layout) -> tuple[bytes, int]:
    """The bytes of a page's directory at ``start``, which the strips follow, and its number of entries."""
    directory, sizes = _directory(page, profile)

    def laid(places: Sequence[int]) -> bytes:
        data = struct.pack(f"{_ORDER}{len(places)}{layout.offset}", *places)
        directory[ExifTags.Base.StripOffsets] = Entry(layout.kind, len(places), data)
        return lay_out(directory, _ORDER, start=start, layout=layout)

    first = start + len(laid([0] * len(sizes)))
    first += first % 2
    places = [first + sum(sizes[:index]) for index in range(len(sizes))]
    return laid(places).ljust(first - start, b"\0"), len(directory)


def _channels(page: Picture) -> int:
    return (1 if is_stored_gray(page) else 3) + (page.alpha is not None)


def _row_bytes(page: Picture) -> int:
    return page.size[1] * _channels(page) * page.bits // 8


def _point(file: BinaryIO, pointer: int, place: int, layout: Layout) -> None:
    end = file.tell()
    file.seek(pointer)
    file.write(struct.pack(_ORDER + layout.offset, place))
    file.seek(end)
