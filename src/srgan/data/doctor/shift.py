"""How far LR is shifted against HR, to hundredths of an HR pixel.

Phase correlation (Kuglin and Hines 1975) finds whole LR pixels; least squares on the LR grid the rest (Lucas and
Kanade 1981), with brightness and contrast free. Each round shifts and downscales HR again, so that it has the same
aliasing as LR, which would otherwise bias the result.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from srgan.pictures.resize import downscale

_REACH = 6  # taps on each side of the windowed sinc that shifts an image by a fraction of a pixel
_NUM_ROUNDS = 8
_DONE = 0.01  # HR pixels
_BORDER = 4  # LR pixels, besides those shifted in from outside


@dataclass(frozen=True)
class Shift:
    """LR's content is ``dx`` HR pixels to the right of HR's and ``dy`` below; ``correlation`` is after undoing that."""

    dx: float
    dy: float
    correlation: float


def estimate_shift(hr: Tensor, lr: Tensor, scale: int) -> Shift:
    """Find the shift that makes two images agree best.

    Args:
        hr: One channel, float, shape (scale * h, scale * w).
        lr: One channel, float, shape (h, w), of any brightness and contrast.
        scale: Factor.
    """
    dx, dy = (float(scale * each) for each in _whole_pixels(_small(hr, scale), lr))
    reached = -1.0
    for _ in range(_NUM_ROUNDS):
        border = border_beyond(dx, dy, scale)
        if 2 * border + 8 > min(lr.shape):
            return Shift(dx, dy, 0.0)
        reached, step = _refine(shifted(hr, dx, dy), lr, scale, border)
        if step is None:
            break
        dx, dy = dx + step[0], dy + step[1]
        if max(map(abs, step)) < _DONE:
            break
    return Shift(dx, dy, reached)


def border_beyond(dx: float, dy: float, scale: int) -> int:
    """LR pixels at each border that are undefined once HR is shifted."""
    return _BORDER + math.ceil(max(abs(dx), abs(dy)) / scale)


def shifted(images: Tensor, dx: float, dy: float) -> Tensor:
    """Shift float images (..., H, W) right by ``dx`` and down by ``dy`` pixels; pixels from outside are undefined."""
    return _along_rows(_along_rows(images, dx).mT, dy).mT


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation of two images; 0 if one is flat."""
    a, b = (each.flatten().double() - each.double().mean() for each in (a, b))
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm else 0.0


def _whole_pixels(reference: Tensor, lr: Tensor) -> tuple[int, int]:
    """The shift (dx, dy) in whole LR pixels; 0 unless shifting increases the correlation."""
    height, width = lr.shape
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    a, b = (torch.fft.rfft2((each - each.mean()) * window) for each in (reference, lr))
    cross = b * a.conj()
    peak = int(torch.fft.irfft2(cross / cross.abs().clamp(min=1e-6), s=(height, width)).argmax())
    dy, dx = divmod(peak, width)
    dy, dx = (dy + height // 2) % height - height // 2, (dx + width // 2) % width - width // 2
    border = border_beyond(dx, dy, 1)
    if 2 * border + 8 > min(lr.shape):
        return 0, 0
    inside = (slice(border, -border), slice(border, -border))
    still, moved = (correlation(each[inside], lr[inside]) for each in (reference, reference.roll((dy, dx), (0, 1))))
    return (dx, dy) if moved > still else (0, 0)


def _refine(hr: Tensor, lr: Tensor, scale: int, border: int) -> tuple[float, tuple[float, float] | None]:
    """The correlation so far, and the least-squares step (dx, dy) in HR pixels from here, if any."""
    neighbours = [hr, hr.roll(1, -1), hr.roll(-1, -1), hr.roll(1, -2), hr.roll(-1, -2)]
    inside = (slice(border, -border), slice(border, -border))
    here, right, left, down, up = (_small(each, scale)[inside].flatten().double() for each in neighbours)
    target = lr[inside].flatten().double()
    columns = torch.stack([(right - left) / 2, (down - up) / 2, here, torch.ones_like(here)], dim=1)
    moments = columns.mT @ columns
    moments += (
        1e-6 * moments.diagonal().mean() * torch.eye(4, dtype=torch.float64)
    )  # no step in a direction without content
    dx, dy, contrast, _ = torch.linalg.solve(moments, columns.mT @ target).tolist()
    reached = correlation(here, target)
    if contrast <= 0.05:  # no common content
        return reached, None
    dx, dy = (max(-scale, min(scale, each / contrast)) for each in (dx, dy))
    return reached, (dx, dy)


def _small(hr: Tensor, scale: int) -> Tensor:
    return downscale(hr[None, None], scale)[0, 0]


def _along_rows(images: Tensor, distance: float) -> Tensor:
    whole = math.floor(distance)
    rows = images.roll(whole, -1).reshape(-1, 1, images.shape[-1])
    if distance == whole:
        return rows.view(images.shape)
    offsets = torch.arange(_REACH, -_REACH, -1) - (distance - whole)
    taps = torch.sinc(offsets) * torch.sinc(offsets / _REACH)
    taps = (taps / taps.sum()).view(1, 1, -1)
    return conv1d(pad(rows, (_REACH, _REACH - 1), mode="replicate"), taps).view(images.shape)
