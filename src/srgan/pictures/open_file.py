"""Opens a picture file: skips harmless damage, and names kinds that cannot be read."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin, UnidentifiedImageError, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srgan.pictures import extra_kinds
from srgan.pictures.metadata.chunks import SIGNATURE

_EXTRA_KINDS = {  # and how their files begin
    extra_kinds.HEIC: re.compile(rb".{4}ftyp(hei[cxmsfv]|hev[cxms]|mif1|msf1)", re.DOTALL),
    extra_kinds.JPEG_XL: re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
}
# Both AVIF and HEIC files may have the general brand; the specific one follows later.
_AVIF = re.compile(rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,15}avi[fs])", re.DOTALL)
_TIFF = re.compile(rb"II[*+]\0|MM\0[*+]")
_UNREAD_KINDS = {
    "an AVIF picture": rb".{4}ftypavi[fs]",
    "a JPEG XR picture": rb"II\xbc",
    "a camera's own CR3 picture": rb".{4}ftypcrx",
    "an OpenEXR picture": rb"\x76\x2f\x31\x01",
    "an SVG drawing": rb"(\xef\xbb\xbf)?\s*(<svg|<(\?xml|!--|!DOCTYPE).*<svg)",
    "a PDF document": rb"%PDF-",
}
_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab"}
_GRAY = (0, 1)  # of those, which are TIFF's PhotometricInterpretation
_NUMBERS = {2: " with a sign", 3: " as floats"}  # TIFF's SampleFormat
_PIXEL_CHUNKS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})  # needed, though marked optional
_LARGEST_CHUNK = 2**26  # bytes; profiles of displays take megabytes, the texts of generators more
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _LARGEST_CHUNK)
PngImagePlugin.MAX_TEXT_MEMORY = max(PngImagePlugin.MAX_TEXT_MEMORY, 4 * _LARGEST_CHUNK)

Stored = Path | io.BytesIO  # where a file is


def reopened(stored: Stored) -> BinaryIO:
    """The file once more, from its beginning."""
    return stored.open("rb") if isinstance(stored, Path) else io.BytesIO(stored.getvalue())


def readable(stored: Stored) -> Stored:
    """A file as Pillow can read it: a PNG with damaged text or the like becomes a copy in memory without that.

    Raises:
        OSError: If it is missing, or a folder.
    """
    if isinstance(stored, Path) and stored.is_dir():
        raise IsADirectoryError
    with reopened(stored) as file:
        damaged = _damaged_chunks(file) if file.read(len(SIGNATURE)) == SIGNATURE else []
        if not damaged:
            return stored
        file.seek(0)
        content = file.read()
    ends = [0, *(end for _, end in damaged)]
    return io.BytesIO(b"".join(content[a:b] for a, b in zip(ends, [*(each for each, _ in damaged), None], strict=True)))


def opened(stored: Stored, *, max_pixels: int | None) -> ImageFile.ImageFile:
    """Open a picture file.

    Args:
        stored: The file.
        max_pixels: Largest number of pixels of a JPEG XL, which is decoded here; None for Pillow's own limit.

    Raises:
        ValueError: If it is of a kind that cannot be read, which the message names, or a JPEG XL is too large.
        UnidentifiedImageError: If it is of no kind that is known.
    """
    with reopened(stored) as file:
        head = file.read(1024)
        is_avif = features.check("avif") and _AVIF.match(head) is not None
        matches = (kind for kind, beginning in _EXTRA_KINDS.items() if beginning.match(head) and not is_avif)
        extra = next(matches, None)
        if extra == extra_kinds.JPEG_XL:
            _require_pixels(extra_kinds.jpeg_xl_pixels(file), max_pixels)
    if extra is not None and not extra_kinds.load_reader(extra):
        raise ValueError(f"it is {extra}: {extra_kinds.INSTALL}, or save it as JPEG or PNG")
    try:
        return Image.open(stored, formats=("AVIF",) if is_avif else None)  # or the HEIC reader might accept it
    except RuntimeError as error:
        if extra is None:
            raise
        raise ValueError(f"it is {extra} that is damaged") from error  # the decoder's own message is of no use
    except UnidentifiedImageError as error:
        read = extra or ("an AVIF picture" if is_avif else None)
        if read is not None:
            raise ValueError(f"it is {read} that is damaged, or of a kind that cannot be read") from error
        if _TIFF.match(head):
            with reopened(stored) as file:
                raise ValueError(f"it is a TIFF {_kind_of_page(file)}") from error
        kind = next((kind for kind, pattern in _UNREAD_KINDS.items() if re.match(pattern, head, re.DOTALL)), None)
        if kind is None:
            raise
        raise ValueError(f"it is {kind}, which is not read here; save it as JPEG or PNG") from error


def _require_pixels(pixels: int, max_pixels: int | None) -> None:
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 2**62) if max_pixels is None else max_pixels
    if pixels > limit:
        raise ValueError(
            f"expected at most {'' if max_pixels is None else 'max_pixels='}{limit} pixels, but it has {pixels}. If it"
            " is what it claims to be, raise max_pixels"
        )


def _kind_of_page(file: BinaryIO) -> str:
    """What the first page of a TIFF holds, for the message about one that Pillow cannot read."""
    tags = ExifTags.Base
    try:
        file.seek(0)
        head = file.read(8)
        if head.startswith(b"MM\0+"):
            return "of BigTIFF's kind with its high bytes first, which cannot be read; save it as plain TIFF or as PNG"
        directory = ImageFileDirectory_v2(head + file.read(8 if 43 in head[2:4] else 0))  # BigTIFF's is longer
        file.seek(directory.next)
        directory.load(file)
        depths = directory.get(tags.BitsPerSample, (1,))
        colours = directory[tags.PhotometricInterpretation]
        number = _NUMBERS.get(directory.get(tags.SampleFormat, (1,))[0], "")
        number += " whose zero is white" if colours == 0 else ""
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return "that is damaged"
    kind, advice = _COLOURS.get(colours, f"{len(depths)} channels"), "save it as PNG"
    if colours in _GRAY and len(depths) == 2:
        kind, advice = "gray with alpha", "save it as PNG, or as RGBA"
    return f"of {kind} of {depths[0]} bits{number}, which cannot be read; {advice}"


def _damaged_chunks(file: BinaryIO) -> list[tuple[int, int]]:
    """Start and end of each PNG chunk with a wrong checksum that no pixel depends on."""
    damaged = []
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        start = file.tell() - 8
        if name[:1].islower() and name not in _PIXEL_CHUNKS and length <= _LARGEST_CHUNK:
            if struct.pack(">I", zlib.crc32(name + file.read(length))) != file.read(4):
                damaged.append((start, file.tell()))
        else:
            file.seek(length + 4, 1)
    return damaged
