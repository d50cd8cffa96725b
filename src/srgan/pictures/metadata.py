"""EXIF and resolution: read without what no longer holds of the enlarged picture, given to each format as it wants."""

import struct
from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image

_PREFIX = b"Exif\0\0"
_WIDTH, _HEIGHT = 0xA002, 0xA003  # PixelXDimension and PixelYDimension, of the EXIF directory
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_NO_UNIT, _CENTIMETRE = 1, 3
# How one TIFF stores its pixels, and what has a place of its own (profile, XMP, Photoshop's): not of the new file.
_STRUCTURE = frozenset({273, 284, 297, 301, 700, 33723, 34377, 34675, 37724}).union(
    *(range(254, 267), range(277, 282), range(288, 294), range(317, 348), range(512, 522), range(529, 533))
)
_DROPPED = _STRUCTURE | {ExifTags.Base.Orientation, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT}
_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, AttributeError, struct.error)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that is left to apply; a TIFF's is applied by Pillow as it loads."""
    value = _exif(image).get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def upright(values: NDArray[Any], turn: int) -> NDArray[Any]:
    """A view of values (H, W, C) as they are to be seen, by what ``orientation`` says."""
    if turn > 4:  # a quarter turn, in one of four ways
        values = values.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def read_exif(image: Image.Image) -> bytes | None:
    """The EXIF block of a loaded picture, without orientation, resolution, preview and the file's structure."""
    exif = _exif(image)
    kept = Image.Exif()
    try:
        for tag in exif:
            if tag not in _DROPPED:
                kept[tag] = exif.get_ifd(tag) if tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) else exif[tag]
        return kept.tobytes() if len(kept) else None
    except _UNREADABLE:  # a broken block is no reason to refuse the picture
        return None


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch, across and down, where the file says so; of a TIFF that does not, Pillow says 1."""
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and (_X_RESOLUTION not in tags or tags.get(_RESOLUTION_UNIT) == _NO_UNIT):
        return None
    try:
        if "dpi" in image.info:
            across, down = (float(value) for value in image.info["dpi"])
        else:
            exif = _exif(image)
            factor = 2.54 if exif.get(_RESOLUTION_UNIT) == _CENTIMETRE else 1.0
            across, down = (float(exif[tag]) * factor for tag in (_X_RESOLUTION, _Y_RESOLUTION))
    except (*_UNREADABLE, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def exif_of_size(exif: bytes | None, size: tuple[int, int]) -> Image.Exif:
    """An EXIF block that says the size of the picture it goes with: (height, width), where it said one."""
    block = Image.Exif()
    if exif:
        block.load(exif)
        details = block.get_ifd(ExifTags.IFD.Exif)
        if _WIDTH in details:
            details[_HEIGHT], details[_WIDTH] = size
    return block


def exif_bytes(exif: Image.Exif, dpi: tuple[float, float] | None = None) -> bytes:
    """The block as Pillow's savers want it, empty if it says nothing; with the resolution, if a file has no place."""
    if dpi:
        exif[_X_RESOLUTION], exif[_Y_RESOLUTION], exif[_RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    return exif.tobytes() if len(exif) else b""


def without_prefix(exif: bytes) -> bytes:
    """The block as PNG wants it."""
    return exif.removeprefix(_PREFIX)


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except _UNREADABLE:
        return Image.Exif()
