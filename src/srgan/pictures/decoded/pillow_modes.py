"""Pillow's colour modes as three things: colours or gray, alpha, and the depth they were stored in."""

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from srgan.pictures.decoded.depths import deep_gray, full_range, is_deep, is_negative, note_depth


class Pixels(NamedTuple):
    """A decoded picture.

    Attributes:
        colours: Shape (H, W, 3), or (H, W, 1) for gray; uint8 or uint16 after ``bits``.
        alpha: Shape (H, W, 1) of the same type, or None.
        bits: 8 or 16.
        icc_profile: The profile that ``colours`` is in, if the file has one that is.
    """

    colours: NDArray[Any]
    alpha: NDArray[Any] | None
    bits: int
    icc_profile: bytes | None


def prepare(image: Image.Image) -> None:
    """Prepare an image for loading, where Pillow itself would get it wrong.

    The transparent gray of a PNG of 2 or 4 bits is scaled to the 8 bits that Pillow reads the picture in. A TIFF stored
    sideways is not mapped into memory: Pillow would map it with width and height exchanged.
    """
    note_depth(image)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(ExifTags.Base.Orientation, 1) > 4:
        image.filename = ""
    tiles = image.tile if isinstance(image, PngImagePlugin.PngImageFile) else []
    bits = {"L;2": 2, "L;4": 4}.get(str(tiles[0].args)) if tiles else None
    key = image.info.get("transparency")
    if bits and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**bits - 1)


def pixels_of(image: Image.Image) -> Pixels:
    """Split a loaded picture of any mode; 16-bit colour goes through `deep_colour.read_deep` instead.

    Raises:
        ValueError: If it is of floats beyond [0, 1], or of integers beyond 16 bits.
    """
    profile = image.info.get("icc_profile") or None
    if is_deep(image):
        return _deep_gray(image, profile)
    image = full_range(image)
    if image.mode in ("CMYK", "LAB"):
        return Pixels(np.asarray(_to_srgb(image, profile)), None, 8, None)
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        values = np.asarray(_in_mode(image, "LA" if gray else "RGBA"))
        colours, alpha = values[..., :-1], values[..., -1:]
    else:
        values = np.asarray(_in_mode(image, "L" if gray else "RGB"))
        colours, alpha = values.reshape(*values.shape[:2], -1), None
    if image.mode == "P" and not profile and (colours == colours[..., :1]).all():
        colours = colours[..., :1]  # the only way for a GIF to hold a gray picture
    return Pixels(colours, alpha, 8, profile)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert alone would copy a large picture needlessly


def _deep_gray(image: Image.Image, profile: bytes | None) -> Pixels:
    values = deep_gray(image)[..., None]
    key = image.info.get("transparency")
    alpha = np.where(values == key, 0, 65535).astype(np.uint16) if isinstance(key, int) else None
    return Pixels(65535 - values if is_negative(image) else values, alpha, 16, profile)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert CMYK through its profile, Lab by its definition; CMYK without a profile by Pillow's plain formula."""
    from PIL import ImageCms

    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # a broken profile, or one of other inks
        if image.mode == "LAB":
            raise
        return image.convert("RGB")
    assert converted is not None  # as it would be after converting in place
    return converted
