"""PSNR and SSIM in every convention that super-resolution papers publish in, each stated.

Scores are per picture: both images are rounded to 8 bits, the border is cropped, and the channel is either Y of
studio-range BT.601 (65.481, 128.553, 24.966, +16) or RGB. ``psnr_y``, ``ssim_y``, ``psnr_rgb`` and ``ssim_rgb`` crop a
border of ``scale`` pixels; the same names with ``_border0`` crop nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_Y_WEIGHTS = (65.481, 128.553, 24.966)
_Y_OFFSET = 16.0
_PEAK = 255.0
_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5  # Wang et al. 2004, §3
_BAND_PIXELS = 2**16  # measured at once: so few that what is computed of them stays in the processor's cache
_BAND_ROWS = 64  # at least, since a band also needs the ten rows below it
_PLANES = {"y": slice(0, 1), "rgb": slice(1, 4)}  # of `_planes`
_CHANNELS = {"y": "Y of studio-range BT.601, not rounded again", "rgb": "RGB"}
_SSIM_VARIANT = (
    "Wang et al. 2004: Gaussian window 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean over the"
    " windows inside the picture"
)


@dataclass(frozen=True)
class Convention:
    """What a PSNR and an SSIM are measured on, and who publishes such scores.

    Attributes:
        channel: ``y`` or ``rgb``.
        crops_scale: Whether a border of ``scale`` pixels is cropped, or none.
        published_by: Papers and projects whose tables these scores can be compared with.
    """

    channel: str
    crops_scale: bool
    published_by: str

    @property
    def suffix(self) -> str:
        """The end of the scores' names, after ``psnr_`` and ``ssim_``."""
        return self.channel if self.crops_scale else f"{self.channel}_border0"

    def crop_border(self, scale: int) -> int:
        """Pixels cropped off each border at a scale."""
        return scale if self.crops_scale else 0


CONVENTIONS = (
    Convention("y", True, "SRGAN paper (PSNR only), ESRGAN, EDSR"),
    Convention("rgb", True, "BasicSR, mmagic"),
    Convention("y", False, "pyiqa (psnry)"),
    Convention("rgb", False, "pyiqa (psnr), krasserm"),
)


def quantise(images: Tensor) -> Tensor:
    """Round float images in [0, 1] to the 256 levels of an 8-bit file, as float64 in [0, 255]."""
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
    """Score one image against its ground truth with one border cropped, as validations do.

    Args:
        sr: Float RGB in [0, 1], shape (1, 3, H, W).
        hr: Ground truth, same shape.
        crop_border: Pixels to crop off each border; by convention the scale.

    Returns:
        ``psnr_y``, ``ssim_y``, ``psnr_rgb``, ``ssim_rgb``; PSNR in dB (inf for equal images).

    Raises:
        ValueError: If the shapes differ, or the picture is too small to score.
    """
    return _scores(sr, hr, {channel: (channel, crop_border) for channel in _PLANES})


def score_card(sr: Tensor, hr: Tensor, *, scale: int) -> dict[str, float]:
    """Score one image against its ground truth in all of ``CONVENTIONS``, in one pass.

    Args:
        sr: Float RGB in [0, 1], shape (1, 3, H, W).
        hr: Ground truth, same shape.
        scale: How many times ``sr`` was enlarged: the border that some conventions crop.

    Returns:
        ``psnr_…`` and ``ssim_…`` of each convention; PSNR in dB (inf for equal images).

    Raises:
        ValueError: If the shapes differ, or the picture is too small to score.
    """
    return _scores(sr, hr, {each.suffix: (each.channel, each.crop_border(scale)) for each in CONVENTIONS})


def card_stamp(scale: int) -> dict[str, dict[str, str | int]]:
    """How ``score_card`` measures each score: metric, variant, channel, border, rounding, and who publishes it."""
    stamps: dict[str, dict[str, str | int]] = {}
    for each in CONVENTIONS:
        common: dict[str, str | int] = {
            "channel": _CHANNELS[each.channel],
            "crop_border": each.crop_border(scale),
            "rounding": "8 bit",
            "published_by": each.published_by,
        }
        over = " and over R, G and B" if each.channel == "rgb" else ""
        pooled = "squared error pooled over R, G and B" if over else "one channel"
        stamps[f"psnr_{each.suffix}"] = {"metric": "PSNR", "unit": "dB", "variant": f"peak 255, {pooled}", **common}
        stamps[f"ssim_{each.suffix}"] = {"metric": "SSIM", "unit": "1", "variant": f"{_SSIM_VARIANT}{over}", **common}
    return stamps


def psnr(sr: Tensor, hr: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 255], over all their pixels; inf if they are equal."""
    return _decibel((sr - hr).square().mean().item())


def _scores(sr: Tensor, hr: Tensor, wanted: Mapping[str, tuple[str, int]]) -> dict[str, float]:
    """Scores for the given suffixes, each with its channel and border: summed over bands of rows.

    In bands, because the maps of a large image would take a quarter of a kilobyte per pixel.
    """
    _check(sr, hr, largest_border=max(border for _, border in wanted.values()))
    height, width = sr.shape[-2:]
    rows = max(_BAND_PIXELS // width, _BAND_ROWS)
    errors, similarities = ({suffix: [0.0, 0.0] for suffix in wanted} for _ in range(2))  # sum and number of values
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # A window belongs to the band of its first row, and reaches beyond it.
        band = slice(top, min(bottom + _SSIM_WINDOW - 1, height))
        pairs = list(zip(_planes(sr[..., band, :]), _planes(hr[..., band, :]), strict=True))
        squares = torch.cat([(a - b).square()[..., : bottom - top, :] for a, b in pairs], dim=1)
        maps = [(squares, height, errors)]
        if band.stop - top >= _SSIM_WINDOW:
            # Channel by channel, since each intermediate map is as large as the band.
            similarity = torch.cat([_ssim_map(a, b) for a, b in pairs], dim=1)
            maps.append((similarity, height - _SSIM_WINDOW + 1, similarities))
        for suffix, (channel, border) in wanted.items():
            for values, length, sums in maps:
                first, last = max(border - top, 0), max(length - border - top, 0)
                inside = values[:, _PLANES[channel], first:last, border : values.shape[-1] - border]
                sums[suffix][0] += inside.sum().item()
                sums[suffix][1] += inside.numel()
    scores = {}
    for suffix in wanted:
        scores[f"psnr_{suffix}"] = _decibel(errors[suffix][0] / errors[suffix][1])
        scores[f"ssim_{suffix}"] = similarities[suffix][0] / similarities[suffix][1]
    return scores


def _check(sr: Tensor, hr: Tensor, *, largest_border: int) -> None:
    if sr.shape != hr.shape or sr.ndim != 4 or sr.shape[:2] != (1, 3):
        raise ValueError(f"Expected sr and hr of one shape (1, 3, H, W), got {tuple(sr.shape)} and {tuple(hr.shape)}.")
    smallest = 2 * largest_border + _SSIM_WINDOW
    if min(sr.shape[-2:]) < smallest:
        raise ValueError(f"Expected sides of at least {smallest} pixels to score, got {tuple(sr.shape[-2:])}.")


def _planes(images: Tensor) -> tuple[Tensor, ...]:
    """Y, R, G and B of images in [0, 1], rounded to 8 bits, in [0, 255]."""
    rgb = quantise(images)
    return (to_y(rgb), *rgb.chunk(3, dim=1))


def _decibel(mse: float) -> float:
    return math.inf if mse == 0 else 10 * math.log10(_PEAK**2 / mse)


def _ssim_map(sr: Tensor, hr: Tensor) -> Tensor:
    """SSIM of each window inside images in [0, 255], shape (N, C, H - 10, W - 10): MATLAB's and BasicSR's.

    Reference: Wang et al. 2004, doi:10.1109/TIP.2003.819861, §3.
    """
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    sr_mean, hr_mean, product = _windowed_mean(sr), _windowed_mean(hr), _windowed_mean(sr * hr)
    product_of_means, squares_of_means = sr_mean * hr_mean, sr_mean**2 + hr_mean**2
    luminance = (2 * product_of_means + c1) / (squares_of_means + c1)
    # Only the sum of both variances is needed, and the mean of a sum costs half of two means.
    variances = _windowed_mean(sr * sr + hr * hr) - squares_of_means
    return luminance * (2 * (product - product_of_means) + c2) / (variances + c2)


def _windowed_mean(images: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW, dtype=torch.float64) - _SSIM_WINDOW // 2
    taps = torch.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    # Sums of shifted images: torch's float64 convolution on a CPU copies all windows and takes 2 to 3 times as long.
    for dim in (-2, -1):
        length = images.shape[dim] - _SSIM_WINDOW + 1
        means = torch.zeros_like(images.narrow(dim, 0, length))
        for offset, tap in enumerate((taps / taps.sum()).tolist()):
            means.add_(images.narrow(dim, offset, length), alpha=tap)
        images = means
    return images
