"""A picture file as a browser shows it: the first frame, upright, in 8-bit sRGB, on white; some rows at a time.

For viewing and scoring. Only the decoded values are held whole in memory: everything computed from them is computed in
bands, and a large picture is shown reduced.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from srgan.pictures.decoded.pillow_modes import Pixels
from srgan.pictures.read import read_levels
from srgan.pictures.rgb import on_white

Rows = Callable[[int, int], NDArray[np.uint8]]  # the rows from one number to another: (rows, W, 3)

_BAND_PIXELS = 2**20
_LANCZOS_RADIUS = 3
_SAME = 1  # level: conversions between two sRGB profiles differ by that much


class Seen:
    """A picture's rows as they are displayed.

    Args:
        pixels: The decoded values. A broken profile, or one for another kind of colours, is ignored.

    Attributes:
        size: Height and width.
        bits: Depth of a channel in the file: 8 or 16.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels, self._conversion = pixels, _to_srgb(pixels)
        self.size: tuple[int, int] = pixels.colours.shape[0], pixels.colours.shape[1]
        self.bits = pixels.bits

    def rows(self, first: int, last: int) -> NDArray[np.uint8]:
        """Some rows: (last - first, W, 3)."""
        colours = on_white(self._pixels.colours[first:last], None)
        if self._conversion is not None:
            colours = _converted(colours, self._conversion)
        colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
        if self._pixels.alpha is None:
            return colours
        return on_white(colours, self._pixels.alpha[first:last])

    def top_left(self, size: tuple[int, int]) -> "Seen":
        """The picture, cropped at the bottom and right to a height and width."""
        height, width = size
        alpha = self._pixels.alpha
        return Seen(
            self._pixels._replace(
                colours=self._pixels.colours[:height, :width], alpha=None if alpha is None else alpha[:height, :width]
            )
        )

    def whole(self) -> Tensor:
        """All rows as float RGB in [0, 1], shape (1, 3, H, W)."""
        return _as_float(self.rows(0, self.size[0]))


def read_seen(path: Path, *, max_pixels: int) -> Seen:
    """Read the first frame of a picture file for display.

    Raises:
        ImageReadError: If the file is missing, empty, truncated, no picture, or the frame has more than ``max_pixels``.
    """
    return Seen(read_levels(path, max_pixels=max_pixels))


def reduce_rows(rows: Rows, size: tuple[int, int], *, max_pixels: int) -> Tensor:
    """Reduce a picture to a displayable size with Lanczos' kernel, in bands without seams.

    Args:
        rows: The picture's rows.
        size: Its height and width.
        max_pixels: Largest number of pixels of the result; a smaller picture stays as it is.

    Returns:
        Float RGB in [0, 1], shape (1, 3, h, w).
    """
    height, width = size
    shown = math.sqrt(max_pixels / (height * width))
    if shown >= 1:
        return _as_float(rows(0, height))
    small_height, small_width = max(round(height * shown), 1), max(round(width * shown), 1)
    step = height / small_height
    margin, at_once = math.ceil(_LANCZOS_RADIUS * step), max(int(_BAND_PIXELS // (width * step)), 1)
    bands = []
    for top in range(0, small_height, at_once):
        bottom = min(top + at_once, small_height)
        first, last = max(math.floor(top * step) - margin, 0), min(math.ceil(bottom * step) + margin, height)
        box = (0, top * step - first, width, min(bottom * step, height) - first)
        band = Image.fromarray(rows(first, last))
        bands.append(np.array(band.resize((small_width, bottom - top), Image.Resampling.LANCZOS, box=box)))
    return _as_float(np.concatenate(bands))


def _as_float(rows: NDArray[np.uint8]) -> Tensor:
    # Reordered as bytes, which are a quarter of the floats' size.
    planes = np.ascontiguousarray(np.moveaxis(rows, -1, 0))
    return torch.from_numpy(planes).float().div_(255).unsqueeze(0)


def _to_srgb(pixels: Pixels) -> ImageCms.ImageCmsTransform | None:
    """The conversion of the colours to sRGB; None if they are sRGB already, or their profile cannot be used."""
    gray = pixels.colours.shape[-1] == 1
    if not pixels.icc_profile or pixels.icc_profile[16:20] != (b"GRAY" if gray else b"RGB "):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(pixels.icc_profile))
        srgb = ImageCms.createProfile("sRGB")
        conversion = ImageCms.buildTransform(profile, srgb, "L" if gray else "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    sample = steps[None, :, None] if gray else np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    change = _converted(sample, conversion).astype(int) - sample
    return conversion if np.abs(change).max() > _SAME else None


def _converted(colours: NDArray[np.uint8], conversion: ImageCms.ImageCmsTransform) -> NDArray[np.uint8]:
    image = Image.fromarray(np.ascontiguousarray(colours[..., 0] if colours.shape[-1] == 1 else colours))
    converted = ImageCms.applyTransform(image, conversion)
    assert converted is not None  # as it would be after converting in place
    return np.asarray(converted)
