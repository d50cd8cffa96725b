"""PSNR and SSIM in the super-resolution field's conventions, stated and not guessed.

Scores are per image: both pictures are rounded to 8 bit, the border is cropped off, and the channel is either Y of
studio-range BT.601 (65.481, 128.553, 24.966, +16) or RGB.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

_Y_WEIGHTS = (65.481, 128.553, 24.966)
_Y_OFFSET = 16.0
_PEAK = 255.0
_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5  # Wang et al. 2004, §3


def quantise(images: Tensor) -> Tensor:
    """Round float pictures in [0, 1] to the 256 levels of an 8-bit file, as float64 in [0, 255]."""
    return (images.double().clamp(0, 1) * _PEAK).round()


def to_y(images: Tensor) -> Tensor:
    """Luma of studio-range BT.601, which runs from 16 to 235.

    Args:
        images: RGB in [0, 255], shape (N, 3, H, W).

    Returns:
        Shape (N, 1, H, W).
    """
    weights = torch.tensor(_Y_WEIGHTS, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images / _PEAK * weights).sum(dim=1, keepdim=True) + _Y_OFFSET


def score(sr: Tensor, hr: Tensor, *, crop_border: int) -> dict[str, float]:
    """Score one picture against its ground truth in the conventions in use.

    Args:
        sr: Float RGB in [0, 1], shape (1, 3, H, W).
        hr: Ground truth, same shape.
        crop_border: Pixels to leave out at each border; the field's habit is the scale.

    Returns:
        ``psnr_y``, ``ssim_y``, ``psnr_rgb``, ``ssim_rgb``; PSNR in dB (inf for equal pictures).

    Raises:
        ValueError: If the shapes differ, or the picture is too small to score.
    """
    if sr.shape != hr.shape or sr.ndim != 4 or sr.shape[:2] != (1, 3):
        raise ValueError(f"Expected sr and hr of one shape (1, 3, H, W), got {tuple(sr.shape)} and {tuple(hr.shape)}.")
    if min(sr.shape[-2:]) < 2 * crop_border + _SSIM_WINDOW:
        smallest = 2 * crop_border + _SSIM_WINDOW
        raise ValueError(f"Expected sides of at least {smallest} pixels to score, got {tuple(sr.shape[-2:])}.")
    inside = slice(crop_border, -crop_border or None)
    sr, hr = (quantise(images)[..., inside, inside] for images in (sr, hr))
    scores = {}
    for channel, convert in (("y", to_y), ("rgb", lambda images: images)):
        a, b = convert(sr), convert(hr)
        scores[f"psnr_{channel}"] = psnr(a, b)
        scores[f"ssim_{channel}"] = ssim(a, b)
    return scores


def psnr(sr: Tensor, hr: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [0, 255], over all their pixels; inf if they are equal."""
    mse = (sr - hr).square().mean().item()
    return math.inf if mse == 0 else 10 * math.log10(_PEAK**2 / mse)


def ssim(sr: Tensor, hr: Tensor) -> float:
    """Structural similarity of pictures in [0, 255], the mean over windows that lie inside and over channels.

    Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.

    Reference: Wang et al. 2004, doi:10.1109/TIP.2003.819861, §3.
    """
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    sr_mean, hr_mean = _windowed_mean(sr), _windowed_mean(hr)
    sr_variance = _windowed_mean(sr * sr) - sr_mean**2
    hr_variance = _windowed_mean(hr * hr) - hr_mean**2
    covariance = _windowed_mean(sr * hr) - sr_mean * hr_mean
    luminance = (2 * sr_mean * hr_mean + c1) / (sr_mean**2 + hr_mean**2 + c1)
    structure = (2 * covariance + c2) / (sr_variance + hr_variance + c2)
    return float((luminance * structure).mean())


def _windowed_mean(images: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW, dtype=images.dtype, device=images.device) - _SSIM_WINDOW // 2
    taps = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    taps = taps / taps.sum()
    planes = images.flatten(0, 1).unsqueeze(1)  # (N * C, 1, H, W): every channel by itself
    return conv2d(conv2d(planes, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
