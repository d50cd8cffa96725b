"""A picture's values as a file stores them, some rows at a time, so that a large one is never held twice."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srgan.pictures.decoded.picture import Picture

_BAND_PIXELS = 2**16  # a band stays in the processor's cache


def rows_per_band(picture: Picture) -> int:
    """Rows of a band: as many as have some ten thousand pixels."""
    return max(1, _BAND_PIXELS // picture.size[1])


def bands(picture: Picture, *, bits: int, gray: bool) -> Iterator[NDArray[Any]]:
    """Bands of rows from the top, gray or RGB, then alpha if there is any: (rows, W, C), uint8 or uint16.

    Values are clamped and rounded to the nearest level.
    """
    height, rows = picture.size[0], rows_per_band(picture)
    stored = torch.uint16 if bits == 16 else torch.uint8
    for top in range(0, height, rows):
        planes = [picture.rgb[0, : 1 if gray else 3, top : top + rows]]
        if picture.alpha is not None:
            planes.append(picture.alpha[0, :, top : top + rows])
        if any(plane.dtype != stored for plane in planes):
            planes = [as_shares(plane).clamp(0, 1).mul_(2**bits - 1).round_().to(stored) for plane in planes]
        values = [plane.detach().cpu().permute(1, 2, 0).numpy() for plane in planes]
        yield np.ascontiguousarray(values[0] if len(values) == 1 else np.concatenate(values, axis=-1))


def as_shares(plane: Tensor) -> Tensor:
    """Values of a picture, floats or levels, as floats in [0, 1] on the CPU."""
    plane = plane.detach().cpu()
    return plane.float() if plane.is_floating_point() else plane.float() / torch.iinfo(plane.dtype).max


def whole(picture: Picture, *, gray: bool, bits: int = 8) -> NDArray[Any]:
    """All rows at once: (H, W, C), uint8 or uint16."""
    return np.concatenate(list(bands(picture, bits=bits, gray=gray)))
