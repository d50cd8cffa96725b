"""Reads 16-bit colour, of which Pillow keeps 8 bits: Pillow decodes the file twice, once for each byte of a value.

Pillow's unpacker for 16 bits takes the first or the second byte of each value, depending on the byte order it is given
(`RGB;16B` or `RGB;16L`). Given both in turn, it yields the whole value, whatever the compression. PNG needs this in any
case; tifffile with imagecodecs would also read TIFFs with separate planes.
"""

import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from srgan.pictures.decoded.depths import refuse_misread
from srgan.pictures.decoded.pillow_modes import Pixels

_BIG_ENDIAN = {"B": True, "L": False, "N": sys.byteorder == "big"}


def read_deep(image: Image.Image, stored: Path | io.BytesIO, index: int) -> Pixels | None:
    """Read 16-bit RGB, RGBA or gray with alpha at its full depth, and HEIC of more than 8 bits.

    Args:
        image: The opened file at a frame; not loaded yet.
        stored: Where it was opened from.
        index: The frame.

    Returns:
        Values of uint16, or None if the frame holds no 16-bit colour (Pillow reads 16-bit gray itself).

    Raises:
        ValueError: If it is a TIFF that Pillow reads wrongly.
    """
    refuse_misread(image)
    profile = image.info.get("icc_profile") or None
    if (levels := _heic_levels(stored, image)) is not None:
        channels = levels.shape[-1] - (levels.shape[-1] in (2, 4))
        return Pixels(
            levels[..., :channels], levels[..., channels:] if channels < levels.shape[-1] else None, 16, profile
        )
    if not is_deep_colour(image):
        return None
    kind, order = _raw_mode(image)

    def read(raw: str) -> NDArray[Any]:
        with Image.open(stored) as again:
            if index:
                again.seek(index)
            return _load_as(again, raw)

    values = _read_gray_alpha(read) if kind == "LA" else _read_colours(read, kind, order)
    key = image.info.get("transparency")
    channels = 1 if kind == "LA" else 3
    colours, alpha = values[..., :channels], values[..., channels:] if kind != "RGBX" else None
    if kind == "RGB":
        alpha = _alpha_of_key(colours, key)
    elif kind == "RGBa":
        colours = _unmultiply(colours, values[..., 3:])
    return Pixels(colours, alpha, 16, profile)


def is_deep_colour(image: Image.Image) -> bool:
    """Whether an opened file, not loaded yet, holds 16-bit colour, or gray with alpha."""
    return _raw_mode(image)[0] in ("RGB", "RGBA", "RGBX", "RGBa", "LA")


def _raw_mode(image: Image.Image) -> tuple[str, str]:
    """How the file stores a pixel: `RGB` and `B` for 16-bit RGB with the high byte first; empty for other depths."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    if not tiles:
        return "", ""
    args = tiles[0].args
    kind, _, depth = str(args[0] if isinstance(args, tuple) else args).partition(";")
    return (kind, depth[2:]) if depth in ("16B", "16L", "16N") else ("", "")


def _load_as(image: ImageFile.ImageFile, raw: str) -> NDArray[Any]:
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *(tile.args or ())[1:])) for tile in image.tile
    ]
    return np.array(image)


def _read_colours(read: Callable[[str], NDArray[Any]], kind: str, order: str) -> NDArray[Any]:
    kind = "RGBA" if kind == "RGBa" else kind  # undone later, since Pillow would divide each byte separately
    first, second = read(f"{kind};16B").astype(np.uint16), read(f"{kind};16L")
    return first << 8 | second if _BIG_ENDIAN[order] else first | second.astype(np.uint16) << 8


def _read_gray_alpha(read: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    pairs = read("RGBA").astype(np.uint16)  # four bytes a pixel: gray's two, then alpha's
    return pairs[..., ::2] << 8 | pairs[..., 1::2]


def _alpha_of_key(colours: NDArray[Any], key: object) -> NDArray[Any] | None:
    if not isinstance(key, tuple):
        return None
    hidden = (colours == np.array(key, dtype=np.uint16)).all(axis=-1, keepdims=True)
    return np.where(hidden, 0, 65535).astype(np.uint16)


def _unmultiply(colours: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    shares = colours * (65535 / np.maximum(alpha, 1).astype(np.float32))
    unmultiplied: NDArray[Any] = np.minimum(shares, 65535).round().astype(np.uint16)
    return unmultiplied


def _heic_levels(stored: Any, image: Image.Image) -> NDArray[np.uint16] | None:
    """The values of a HEIC picture of more than 8 bits, of which Pillow keeps 8; None for any other picture.

    Args:
        stored: Where it was opened from.
        image: The opened file.

    Returns:
        Shape (H, W, C), white at 65535.
    """
    bits = image.info.get("bit_depth", 8) if image.format == "HEIF" else 8
    if bits <= 8:
        return None
    heif = importlib.import_module("pillow_heif").open_heif(stored, convert_hdr_to_8bit=False)
    values = np.asarray(heif[heif.primary_index])
    white = 65536 - 2 ** (16 - bits)  # the values were shifted up
    levels: NDArray[np.uint16] = np.minimum(values * (65535 / white), 65535).round().astype(np.uint16)
    return levels.reshape(*values.shape[:2], -1)
