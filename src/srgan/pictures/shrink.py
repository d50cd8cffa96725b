"""Resizes a whole picture by bicubic, some rows at a time, so that a large one is never held in floats as well."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from srgan.pictures.decoded.picture import Picture
from srgan.pictures.resize import resize_rows

_BAND_PIXELS = 2**20  # of the larger picture, held as floats at a time


def resize_picture(picture: Picture, size: tuple[int, int], *, room: Callable[..., Tensor] = torch.empty) -> Picture:
    """Resize a picture by antialiased bicubic; its EXIF is left to the caller.

    Args:
        picture: Any picture.
        size: Height and width.
        room: Makes a tensor from a shape and a ``dtype`` as ``torch.empty`` does, for example on disk.

    Returns:
        The picture with ``rgb`` and ``alpha`` in levels of its depth, and all else kept.
    """
    dtype = picture.level_type
    rgb = _resized(picture.rgb[:, :1] if picture.gray else picture.rgb, size, dtype, room)
    alpha = None if picture.alpha is None else _resized(picture.alpha, size, dtype, room)
    return replace(picture, rgb=rgb.expand(-1, 3, -1, -1), alpha=alpha)


def _resized(values: Tensor, size: tuple[int, int], dtype: torch.dtype, room: Callable[..., Tensor]) -> Tensor:
    height, width = size
    resized = room((1, values.shape[1], height, width), dtype=dtype)
    peak = torch.iinfo(dtype).max
    share = peak / (1 if values.is_floating_point() else torch.iinfo(values.dtype).max)
    rows_per_band = max(int(_BAND_PIXELS / max(width, values.shape[-1] * max(values.shape[-2] / height, 1))), 1)
    for first in range(0, height, rows_per_band):
        last = min(first + rows_per_band, height)
        band = resize_rows(values, size, first, last).mul_(share).clamp_(0, peak).round_()
        resized[..., first:last, :] = band.to(dtype)
    return resized
