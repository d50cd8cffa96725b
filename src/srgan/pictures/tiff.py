"""TIFF files, 8 or 16 bits, one page or more, written in bands of rows: Pillow writes no 16-bit colour.

Gray with alpha of 16 bits is written as RGBA, since Pillow cannot read it from a TIFF. Uncompressed, so that the place
of each strip is known before the first is written. Tags: TIFF 6.0 (Aldus 1992).
"""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srgan.pictures import metadata
from srgan.pictures.bands import bands, rows_per_band
from srgan.pictures.picture import Picture, PictureFormatError

_LARGEST_FILE = 2**32 - 2**20  # offsets are of 32 bits; a margin for tags
_UNCOMPRESSED, _BLACK_IS_ZERO, _RGB, _UNMULTIPLIED_ALPHA, _INCH = 1, 1, 2, 2, 2


def write_tiff(file: BinaryIO, pages: Sequence[Picture], *, profiles: Sequence[bytes | None]) -> None:
    """Write pictures as the pages of a file, each at its own depth.

    Args:
        file: Where to write; it has to seek.
        pages: The pictures.
        profiles: The colour profile of each.
    """
    pointer = None
    for page, profile in zip(pages, profiles, strict=True):
        start = file.tell()
        directory = _directory(page, profile)
        directory.save(file)
        if pointer is None:
            start = 8  # the first directory comes after the header
        else:
            _point(file, pointer, start)
        pointer = start + 2 + 12 * len(directory)
        for band in bands(page, bits=page.bits, gray=is_stored_gray(page)):
            file.write(band.astype("<u2" if page.bits == 16 else "u1").tobytes())
        if file.tell() % 2:
            file.write(b"\0")  # a directory begins at an even place


def require_size(pages: Sequence[Picture], *, scale: int = 1) -> None:
    """Raise PictureFormatError if pages enlarged by ``scale`` would take more than TIFF's four gigabytes."""
    total = sum(_row_bytes(page) * page.size[0] for page in pages) * scale**2
    if total > _LARGEST_FILE:
        raise PictureFormatError(f"TIFF holds at most 4 GiB, but this takes {total / 2**30:.1f}; choose format=png.")


def is_stored_gray(page: Picture) -> bool:
    """Whether a page is written as gray, which its profile has to be of."""
    return page.gray and not (page.alpha is not None and page.bits == 16)


def kind_of_page(stored: Path | io.BytesIO) -> str | None:
    """What the first page of a TIFF holds, for a message on one that Pillow does not read; None if it is no TIFF."""
    tags = ExifTags.Base
    try:
        with stored.open("rb") if isinstance(stored, Path) else io.BytesIO(stored.getvalue()) as file:
            directory = ImageFileDirectory_v2(file.read(8))
            file.seek(directory.next)
            directory.load(file)
        depths = directory.get(tags.BitsPerSample, (1,))
        kind = directory.get(tags.PhotometricInterpretation)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return None
    if kind in (0, _BLACK_IS_ZERO) and len(depths) == 2:
        return f"gray with alpha of {depths[0]} bits"
    return f"{len(depths)} channels of {depths[0]} bits"


def _directory(page: Picture, profile: bytes | None) -> ImageFileDirectory_v2:
    height, width = page.size
    channels = _channels(page)
    directory = ImageFileDirectory_v2()
    exif = metadata.exif_of_size(page.exif, page.size)
    for tag in exif:
        directory[tag] = exif.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else exif[tag]
    tags = ExifTags.Base
    directory[tags.ImageWidth], directory[tags.ImageLength] = width, height
    directory[tags.BitsPerSample], directory[tags.SamplesPerPixel] = (page.bits,) * channels, channels
    directory[tags.Compression], directory[tags.PlanarConfiguration] = _UNCOMPRESSED, 1
    directory[tags.PhotometricInterpretation] = _BLACK_IS_ZERO if is_stored_gray(page) else _RGB
    if page.alpha is not None:
        directory[tags.ExtraSamples] = _UNMULTIPLIED_ALPHA
    if page.dpi:
        directory[tags.XResolution], directory[tags.YResolution] = page.dpi
        directory[tags.ResolutionUnit] = _INCH
    if profile:
        directory[tags.InterColorProfile] = profile
    _add_strips(directory, page)
    return directory


def _add_strips(directory: ImageFileDirectory_v2, page: Picture) -> None:
    rows, height = rows_per_band(page), page.size[0]
    sizes = [min(rows, height - top) * _row_bytes(page) for top in range(0, height, rows)]
    directory[ExifTags.Base.RowsPerStrip] = rows
    for tag in (ExifTags.Base.StripOffsets, ExifTags.Base.StripByteCounts):
        directory.tagtype[tag] = TiffTags.LONG
    directory[ExifTags.Base.StripByteCounts] = tuple(sizes)
    # Counted from the directory's end: Pillow adds its place as it writes.
    directory[ExifTags.Base.StripOffsets] = tuple(sum(sizes[:index]) for index in range(len(sizes)))


def _channels(page: Picture) -> int:
    return (1 if is_stored_gray(page) else 3) + (page.alpha is not None)


def _row_bytes(page: Picture) -> int:
    return page.size[1] * _channels(page) * page.bits // 8


def _point(file: BinaryIO, pointer: int, place: int) -> None:
    end = file.tell()
    file.seek(pointer)
    file.write(struct.pack("<I", place))
    file.seek(end)
