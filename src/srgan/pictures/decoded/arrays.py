"""A NumPy array as a `Picture`, and back: gray, gray with alpha, RGB or RGBA, in levels or as floats."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from srgan.pictures.decoded.bands import whole
from srgan.pictures.decoded.picture import Picture
from srgan.pictures.decoded.pillow import as_tensor
from srgan.pictures.decoded.value_ranges import require_unit

_BITS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


def from_array(values: NDArray[Any]) -> Picture:
    """Take an array as a picture.

    Args:
        values: Gray of shape (H, W) or (H, W, 1), gray with alpha (H, W, 2), RGB (H, W, 3) or RGBA (H, W, 4); uint8,
            uint16, or float in [0, 1].

    Raises:
        ValueError: If it is none of these, or its floats are beyond [0, 1].
    """
    planes = values[..., None] if values.ndim == 2 else values
    floating = np.issubdtype(values.dtype, np.floating)
    if planes.ndim != 3 or planes.shape[2] not in (1, 2, 3, 4) or not (floating or values.dtype in _BITS):
        raise ValueError(
            "Expected an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, uint16 or float, got"
            f" {values.shape} of {values.dtype}."
        )
    if floating and values.size:
        require_unit(float(values.min()), float(values.max()), what="an array of floats")
    bits = 16 if floating else _BITS[values.dtype]
    tensor = as_tensor(planes, levels=1 if floating else 2**bits - 1)
    num_colours = 1 if planes.shape[2] < 3 else 3
    return Picture(
        rgb=tensor[:, :num_colours].expand(-1, 3, -1, -1),
        alpha=tensor[:, num_colours:] if planes.shape[2] in (2, 4) else None,
        gray=num_colours == 1,
        bits=bits,
        icc_profile=None,
        exif=None,
        format="PNG",
    )


def to_array(picture: Picture, *, like: NDArray[Any]) -> NDArray[Any]:
    """Give a picture the type and the channels of the array that it was made from; levels are rounded."""
    if like.dtype in _BITS:
        values = whole(picture, gray=picture.gray, bits=_BITS[like.dtype])
    else:
        planes = [picture.rgb[0, : 1 if picture.gray else 3]] + ([] if picture.alpha is None else [picture.alpha[0]])
        values = torch.cat(planes).permute(1, 2, 0).numpy().astype(like.dtype)
    return values[..., 0] if like.ndim == 2 else values
