"""Blur kernels in closed form: Gaussian, generalised Gaussian, plateau and sinc.

Wang et al. 2021, arXiv:2107.10833, §3.3 and 3.4. All are float64, of shape (size, size) with an odd size, and sum to 1.
Rows go down (y), columns to the right (x).
"""

import math

import numpy as np
import torch
from torch import Tensor


def gaussian(size: int, sigma_x: float, sigma_y: float, angle: float = 0.0) -> Tensor:
    """Gaussian with deviations in pixels along its axes, rotated from x to y by an angle in radians."""
    return generalised_gaussian(size, sigma_x, sigma_y, angle, beta=1)


def generalised_gaussian(size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, *, beta: float) -> Tensor:
    """Likewise ``exp(-r^(2 beta) / 2)``, r being the distance in deviations: peaked for beta < 1, flat-topped above."""
    return _normalised(torch.exp(-(_squared_distance(size, sigma_x, sigma_y, angle) ** beta) / 2))


def plateau(size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, *, beta: float) -> Tensor:
    """Likewise ``1 / (1 + r^(2 beta))``: a flat top with long tails."""
    return _normalised(1 / (1 + _squared_distance(size, sigma_x, sigma_y, angle) ** beta))


def sinc(size: int, cutoff: float) -> Tensor:
    """Ideal circular low-pass filter, which rings: ``cutoff J1(cutoff r) / (2 pi r)``.

    Args:
        size: Side.
        cutoff: Highest frequency that passes, in radians per pixel, up to pi.
    """
    radius = _squared_distance(size, 1, 1, 0).sqrt()
    beyond_centre = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp_min(1))
    return _normalised(torch.where(radius == 0, cutoff**2 / (4 * math.pi), beyond_centre))  # J1(x) / x → 1/2


def identity() -> Tensor:
    """The kernel that changes nothing."""
    return torch.ones(1, 1, dtype=torch.float64)


def _squared_distance(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """Squared distance from the centre, in deviations along the rotated axes."""
    y, x = np.ogrid[-(size // 2) : size // 2 + 1.0, -(size // 2) : size // 2 + 1.0]  # in numpy, which starts sooner
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return torch.from_numpy((along / sigma_x) ** 2 + (across / sigma_y) ** 2)


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()
