"""Pictures as plain 8-bit RGB, as training and scoring see them; as floats; and written as PNG.

Files are decoded as for prediction (`srgan.pictures.read`): upright, CMYK through its profile, RGB in its own profile.
Here transparent pixels are also laid on white, and 16 bits rounded to 8.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from srgan.pictures.read import read_levels
from srgan.system.files import atomic_write


def read_rgb8(path: Path) -> Tensor:
    """Read the first frame or page of a picture file as 8-bit RGB; threads may do so at once.

    Args:
        path: A file of any format and colour mode that prediction reads.

    Returns:
        Shape (3, H, W), uint8.

    Raises:
        ImageReadError: If the file cannot be read as a picture, or has more pixels than Pillow's own limit.
    """
    pixels = read_levels(path, max_pixels=None)
    values = on_white(pixels.colours, pixels.alpha)
    return torch.from_numpy(np.array(np.broadcast_to(values, (*values.shape[:2], 3)), order="C")).permute(2, 0, 1)


def on_white(colours: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[np.uint8]:
    """Lay levels (H, W, C) on white by their opacity (H, W, 1), each uint8 or uint16, and round them to 8 bits."""
    if alpha is None and colours.dtype == np.uint8:
        return colours
    white = np.iinfo(colours.dtype).max
    values: NDArray[Any] = colours.astype(np.float32)
    if alpha is not None:
        share = alpha / np.float32(np.iinfo(alpha.dtype).max)
        values = values * share + white * (1 - share)
    levels: NDArray[np.uint8] = np.rint(values * np.float32(255 / white)).astype(np.uint8)
    return levels


def read_image(path: Path) -> Tensor:
    """Read a picture file as float RGB in [0, 1], shape (1, 3, H, W); otherwise as ``read_rgb8``."""
    return to_float(read_rgb8(path)).unsqueeze(0)


def write_image(path: Path, image: Tensor) -> None:
    """Write a picture as 8-bit PNG, whole or not at all.

    Args:
        path: The file; its folder is created if necessary.
        image: Float RGB around [0, 1], shape (1, 3, H, W) or (3, H, W); clamped.
    """
    pixels = to_uint8(image.reshape(3, *image.shape[-2:])).permute(1, 2, 0).cpu().numpy()
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="PNG")


def to_float(pixels: Tensor) -> Tensor:
    """Map uint8 to float32 in [0, 1]."""
    return pixels.float() / 255


def to_uint8(images: Tensor) -> Tensor:
    """Map float in [0, 1] to uint8: clamped and rounded to the nearest level."""
    return (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
