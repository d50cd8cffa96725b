"""EXIF and resolution: read without what describes only the old file, and written as each format needs it."""

import struct
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image

from srgan.pictures.metadata.descriptions import without_layout
from srgan.pictures.metadata.exif import RATIONAL, SHORT, Block, Directory, Entry, parse

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_NO_UNIT, _INCH, _CENTIMETRE = 1, 2, 3
# How a TIFF stores its pixels and pages, and what is stored elsewhere (profile, XMP, Photoshop's): not the new file's.
# WhitePoint and PrimaryChromaticities (318 and 319) describe the colours and stay.
_STRUCTURE = frozenset({273, 284, 297, 301, 317, 700, 33723, 34377, 34675, 37724, 50838, 50839}).union(
    *(range(254, 267), range(277, 282), range(288, 294), range(320, 348), range(512, 522), range(529, 533))
)
_DROPPED = _STRUCTURE | {ExifTags.Base.Orientation, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT}
_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, AttributeError, struct.error)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that is left to apply; a TIFF's is applied by Pillow as it loads.

    A JPEG XL is decoded upright, whatever its EXIF says, unless it holds a JPEG.
    """
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1
    value = _exif(image).get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def stated_orientation(image: Image.Image) -> int:
    """The orientation that an EXIF block's places refer to, even where the reader has applied it, as HEIC's does."""
    value = image.info.get("original_orientation") or orientation(image)
    return value if value in range(1, 9) else 1


def upright(values: NDArray[Any], turn: int) -> NDArray[Any]:
    """A view of values (H, W, C), upright; ``turn`` is as from ``orientation``."""
    if turn > 4:  # a quarter turn, in one of four ways
        values = values.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def read_block(image: Image.Image) -> Block | None:
    """The EXIF block of a picture, without orientation, resolution, preview and the file's structure.

    A TIFF's has to be read before the picture is loaded, any other's afterwards.
    """
    block = _read_block(image)
    return None if block is None else Block(block.order, without_layout(block.tags))


def _read_block(image: Image.Image) -> Block | None:
    file = getattr(image, "fp", None)
    if image.format == "TIFF" and file is not None:
        place = file.tell()
        block = parse(file, without=_DROPPED, index=image.tell())
        file.seek(place)
        return block
    stored, changed = _stored(image)
    before = parse(stored, without=_DROPPED) if stored else None
    if changed is None:
        return before
    after = parse(changed, without=_DROPPED)
    if before is None or after is None:
        return after
    return Block(after.order, _with_types_of(before.in_order(after.order).tags, after.tags))


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch, across and down, if the file states them; for a TIFF that does not, Pillow says 1."""
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


def with_resolution(block: Block, dpi: tuple[float, float] | None) -> Block:
    """A block that states the resolution, if there is one: for formats without another place for it."""
    if dpi is None:
        return block
    shares = [Fraction(value).limit_denominator(4096) for value in dpi]
    across, down = (block.entry(RATIONAL, "I", share.numerator, share.denominator) for share in shares)
    unit = block.entry(SHORT, "H", _INCH)
    tags = {**block.tags, _X_RESOLUTION: across, _Y_RESOLUTION: down, _RESOLUTION_UNIT: unit}
    return Block(block.order, tags)


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except _UNREADABLE:  # a broken block is no reason to refuse the picture
        return Image.Exif()


def _with_types_of(before: Directory, after: Directory) -> Directory:
    """A directory with the types that its values had before: Pillow turns values without a TIFF type into bytes."""
    kept = dict(after)
    for tag, value in after.items():
        old = before.get(tag)
        if isinstance(value, dict):
            kept[tag] = _with_types_of(old, value) if isinstance(old, dict) else value
        elif isinstance(old, Entry) and old.data == value.data:
            kept[tag] = old
    return kept


def _stored(image: Image.Image) -> tuple[bytes | None, bytes | None]:
    """The block as stored in the file; and, if tags were changed in memory, as Pillow writes it."""
    stored, text = image.info.get("exif"), image.info.get("Raw profile type exif")
    exif, original = _exif(image), Image.Exif()
    try:
        if stored is None and text:
            stored = bytes.fromhex("".join(text.split("\n")[3:]))
        if stored:
            original.load(stored)
        if stored and _tags(exif) == _tags(original):
            return stored, None
        return stored or None, exif.tobytes() if len(exif) else b""
    except _UNREADABLE:
        return None, None


def _tags(exif: Image.Exif) -> dict[int, Any]:
    return {tag: value for tag, value in exif.items() if tag != ExifTags.Base.Orientation}  # which XMP may add
