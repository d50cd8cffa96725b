"""Reads a photo for training: 8-bit RGB of any file, 16-bit colour rounded and not cut to its upper bytes."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srgan.pictures import Pixels, is_deep_colour, read_levels
from srgan.pictures.rgb import opened, read_uint8, readable, reading

_ANY_NUMBER = 2**62  # of pixels: Pillow has its limit, at which it has refused already


def read_photo(path: Path) -> Tensor:
    """Read a picture file as ``srgan.pictures.rgb.read_uint8`` does, but 16-bit colour at its depth.

    Args:
        path: A PNG, JPEG, WebP, TIFF or BMP file of any colour mode.

    Returns:
        Shape (3, H, W), uint8; transparent pixels are laid on white.

    Raises:
        ImageReadError: If the file cannot be read as a picture.
    """
    with reading(path), opened(readable(path)) as image:
        deep = is_deep_colour(image)
    return _rounded(read_levels(path, max_pixels=_ANY_NUMBER)) if deep else read_uint8(path)


def _rounded(pixels: Pixels) -> Tensor:
    values = pixels.colours.astype(np.float32) / 65535
    if pixels.alpha is not None:
        shares = pixels.alpha.astype(np.float32) / 65535
        values = values * shares + (1 - shares)
    levels = (values * 255).round().astype(np.uint8)
    return torch.from_numpy(np.broadcast_to(levels, (*levels.shape[:2], 3)).copy()).permute(2, 0, 1)
