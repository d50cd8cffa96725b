"""Random crops, flips and quarter turns that treat an HR/LR pair as one."""

import kornia
import numpy as np
import torch
from torch import Tensor

from srgan.images import to_float

NUM_ORIENTATIONS = 8  # four quarter turns, each mirrored or not


def orient(image: Tensor, orientation: int) -> Tensor:
    """Turn and mirror a picture.

    Args:
        image: Shape (..., H, W).
        orientation: 0 to 7: quarter turns in the lower two bits, mirrored from 4 on. 0 changes nothing.

    Returns:
        The same pixels; height and width swapped for odd quarter turns.
    """
    mirrored = image.flip(-1) if orientation >= 4 else image
    return mirrored.rot90(orientation % 4, (-2, -1))


def detail_integral(lr: Tensor) -> Tensor:
    """Summed-area table of a picture's edge strength, from which the detail of any window is four look-ups.

    Args:
        lr: uint8, shape (3, h, w).

    Returns:
        float64, shape (h + 1, w + 1).
    """
    luma = to_float(lr).mean(dim=0)[None, None]
    edges = kornia.filters.sobel(luma)[0, 0].double()
    return torch.nn.functional.pad(edges.cumsum(0).cumsum(1), (1, 0, 1, 0))


def choose_crop(integral: Tensor, crop_size: int, *, num_candidates: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw windows uniformly and keep the one with the most detail.

    Most of most photos is smooth, where bicubic is already right and there is nothing to learn.

    Args:
        integral: From ``detail_integral``.
        crop_size: Side of the window in pixels of the LR picture.
        num_candidates: Windows to draw; 1 is a plain random crop.
        rng: Source of randomness.

    Returns:
        Top and left of the window in the LR picture.
    """
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    tops = torch.from_numpy(rng.integers(height - crop_size + 1, size=num_candidates))
    lefts = torch.from_numpy(rng.integers(width - crop_size + 1, size=num_candidates))
    bottoms, rights = tops + crop_size, lefts + crop_size
    detail = integral[bottoms, rights] - integral[tops, rights] - integral[bottoms, lefts] + integral[tops, lefts]
    best = int(detail.argmax())
    return int(tops[best]), int(lefts[best])


def crop_pair(lr: Tensor, hr: Tensor, *, top: int, left: int, crop_size: int) -> tuple[Tensor, Tensor]:
    """Cut the same window out of both pictures of a pair.

    Args:
        lr: Shape (3, h, w).
        hr: Shape (3, scale * h, scale * w).
        top: First row in pixels of ``lr``.
        left: First column in pixels of ``lr``.
        crop_size: Side in pixels of ``lr``.

    Returns:
        Shapes (3, crop_size, crop_size) and (3, scale * crop_size, scale * crop_size).
    """
    scale = hr.shape[-1] // lr.shape[-1]
    hr_top, hr_left, hr_size = top * scale, left * scale, crop_size * scale
    return (
        lr[:, top : top + crop_size, left : left + crop_size],
        hr[:, hr_top : hr_top + hr_size, hr_left : hr_left + hr_size],
    )
