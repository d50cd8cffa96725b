"""Distances between two images, pixel by pixel."""

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

PixelCriterion = Literal["mse", "l1", "charbonnier", "bce"]

_COLOUR_CELL, _GRID = 8, 4  # sides, in pixels, of the cells averaged and of the grid of sub-pixel convolutions
_CHARBONNIER_EPSILON = 1e-3  # where L1 becomes quadratic, in units of the image's [0, 1]
_BCE_MARGIN = 1e-3  # closer than this to black or white the logarithm, whose slope is unbounded there, is replaced


def check_pixel_criterion(criterion: str) -> None:
    """Raise ValueError unless ``criterion`` is a known one."""
    if criterion not in get_args(PixelCriterion):
        raise ValueError(f"Expected pixel_criterion to be one of {get_args(PixelCriterion)}, got {criterion!r}.")


def pixel_loss(sr: Tensor, hr: Tensor, *, criterion: PixelCriterion) -> Tensor:
    """Mean distance of two images over all pixels and channels.

    Args:
        sr: The generator's output, float RGB around [0, 1], shape (N, 3, H, W).
        hr: Ground truth, float RGB in [0, 1], same shape.
        criterion: ``mse`` (the paper's), ``l1``, ``charbonnier`` (L1 with a rounded tip, Lai et al. 2017,
            arXiv:1704.03915) or ``bce`` (binary cross-entropy with each pixel's value taken as a probability).

    Returns:
        Scalar.

    Raises:
        ValueError: If the shapes differ or the criterion is unknown.
    """
    if sr.shape != hr.shape:
        raise ValueError(f"Expected sr and hr of the same shape, got {tuple(sr.shape)} and {tuple(hr.shape)}.")
    if criterion == "mse":
        return functional.mse_loss(sr, hr)
    if criterion == "l1":
        return functional.l1_loss(sr, hr)
    if criterion == "charbonnier":
        return ((sr - hr).square() + _CHARBONNIER_EPSILON**2).sqrt().mean()
    check_pixel_criterion(criterion)
    return _binary_cross_entropy(sr.float(), hr.float())


def colour_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute difference of local means: keeps colours and brightness, leaves texture free.

    The means are over 8x8 pixels, and over those pixels of 32x32 that have the same position in the 4x4 grid: sub-pixel
    convolutions can make that grid visible as a checkerboard, which means over neighbours do not detect.

    Args:
        sr: Float RGB around [0, 1], shape (N, 3, H, W), sides of 32 or more, multiples of 4.
        hr: Float RGB in [0, 1], same shape.

    Returns:
        Scalar, the sum of both.
    """
    difference = sr.float() - hr.float()
    places = functional.pixel_unshuffle(difference, _GRID)
    near, on_the_grid = (functional.avg_pool2d(each, _COLOUR_CELL).abs().mean() for each in (difference, places))
    return near + on_the_grid


def _binary_cross_entropy(sr: Tensor, hr: Tensor) -> Tensor:
    """BCE, continued as a straight line outside [0, 1], where it is undefined, so that pixels are pulled back."""
    inside = sr.clamp(_BCE_MARGIN, 1 - _BCE_MARGIN)
    slope = (inside - hr) / (inside * (1 - inside))
    with torch.autocast(sr.device.type, enabled=False):  # which refuses BCE of probabilities, though these are float32
        inside_loss = functional.binary_cross_entropy(inside, hr)
    return inside_loss + (slope * (sr - inside)).mean()
