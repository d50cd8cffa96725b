"""Depths that Pillow does not report or reads wrongly: gray of more than 8 bits, JPEG 2000, odd TIFFs."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srgan.pictures.decoded.value_ranges import require_16_bits, require_unit

_PLANES_APART = 2  # TIFF's PlanarConfiguration
_WHITE_IS_ZERO = 0  # TIFF's PhotometricInterpretation
_SIGNED = 2  # TIFF's SampleFormat
_CODESTREAM, _FIRST_DEPTH = b"\xff\x4f\xff\x51", 42  # JPEG 2000: SOC and SIZ, and the offset of Ssiz from them
_BITS = "bits of a channel"  # where `note_depth` puts them


def refuse_misread(image: Image.Image) -> None:
    """Raise ValueError for TIFFs that Pillow reads wrongly: of signed bytes, and some with separate planes."""
    tags = getattr(image, "tag_v2", {})
    depths = tags.get(258, ())
    if tags.get(339, ())[:1] == (_SIGNED,) and depths[:1] == (8,):
        raise ValueError("it is a TIFF of 8 bits with a sign; save it without")
    if tags.get(284) == _PLANES_APART and (depths[1:2] == (16,) or len(depths) == 2):
        kind = "gray with alpha" if len(depths) == 2 else "16 bits"
        raise ValueError(f"it is a TIFF of {kind} with its channels in separate planes; save it with interleaved ones")


def note_depth(image: Image.Image) -> None:
    """Note the depth of a JPEG 2000 file before it is loaded: Pillow shifts values to 8 or 16 bits and does not say so.

    Raises:
        ValueError: If values would be shifted down: Pillow then rounds white up, which overflows to black.
    """
    file = getattr(image, "fp", None)
    if image.format == "JPEG2000" and file is not None:
        place = file.tell()
        file.seek(0)
        content = file.read()
        file.seek(place)
        depth = content.find(_CODESTREAM) + _FIRST_DEPTH
        image.info[_BITS] = bits = (content[depth] & 0x7F) + 1
        if bits > 8 and not is_deep(image):
            raise ValueError(f"it is a JPEG 2000 of {bits} bits that is not plain gray; save it as PNG or TIFF")


def full_range(image: Image.Image) -> Image.Image:
    """A loaded picture of fewer than 8 bits, whose values Pillow has shifted up to 8, with white at 255."""
    bits = image.info.get(_BITS, 8)
    if bits >= 8:
        return image
    white = 2**bits - 1
    return image.point([round(min(value >> (8 - bits), white) * 255 / white) for value in range(256)] * len(image.mode))


def _deep_white(image: Image.Image) -> int:
    """The number that stands for white in gray of more than 8 bits."""
    tags = getattr(image, "tag_v2", {})
    depth = tags.get(258, (16,))[0]
    if depth == 16 and tags.get(339, ())[:1] == (_SIGNED,):
        return 32767
    bits: int = image.info.get(_BITS, 16)
    return 4095 if depth == 12 else 65536 - 2 ** (16 - bits)


def is_deep(image: Image.Image) -> bool:
    """Whether a picture is gray of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def deep_gray(image: Image.Image) -> NDArray[np.uint16]:
    """The values of such a picture at 16 bits, the file's own white at 65535, shape (H, W).

    Raises:
        ValueError: If they are floats beyond [0, 1], or integers beyond 16 bits.
    """
    values = np.asarray(image)
    if image.mode.startswith("F"):  # a TIFF of floats in [0, 1]
        require_unit(float(values.min()), float(values.max()), what="a picture of floats")
        values = values * np.float32(65535)
    else:
        require_16_bits(int(values.min()), int(values.max()))
        if (white := _deep_white(image)) != 65535:
            values = values * (65535 / white)
    levels: NDArray[np.uint16] = np.clip(values, 0, 65535).round().astype(np.uint16)
    return levels


def is_negative(image: Image.Image) -> bool:
    """Whether an opened file has more than 8 bits and zero for white; Pillow inverts those of fewer bits itself."""
    return is_deep(image) and image.format == "TIFF" and getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO
