"""Enlarging a picture with a network that knows RGB alone: colours, gray and alpha each in the way they need."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from srgan.pictures.picture import Picture


def upscale_picture(picture: Picture, enlarge: Callable[[Tensor], Tensor]) -> Picture:
    """Enlarge the colours and, apart from them, the alpha of a picture.

    Args:
        picture: Any picture.
        enlarge: Maps float RGB in [0, 1] of shape (1, 3, H, W) to (1, 3, s·H, s·W) for a whole number s.

    Returns:
        The picture with ``rgb`` and ``alpha`` enlarged and all else kept.
    """
    alpha = picture.alpha
    rgb = picture.rgb if alpha is None else fill_transparent(picture.rgb, alpha)
    sr = enlarge(rgb)
    if picture.gray:
        sr = sr.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    return replace(picture, rgb=sr, alpha=None if alpha is None else _enlarge_alpha(alpha, enlarge, sr.shape[-2:]))


def fill_transparent(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Give pixels that cannot be seen the colours of those beside them, so that no edge invites a fringe.

    Args:
        rgb: Shape (1, 3, H, W).
        alpha: Shape (1, 1, H, W) in [0, 1].

    Returns:
        ``rgb``, changed where ``alpha`` is 0; as it was if all or nothing can be seen.
    """
    hidden = alpha == 0
    if hidden.all() or not hidden.any():
        return rgb
    return torch.where(hidden, _spread(rgb * alpha, alpha), rgb)


def _spread(weighted: Tensor, weight: Tensor) -> Tensor:
    """Colours where there is weight, elsewhere those of a coarser level: pull-push (Gortler et al. 1996)."""
    colours = weighted / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    hidden = weight == 0
    if not hidden.any():
        return colours
    coarse = _spread(_halve(weighted), _halve(weight))
    return torch.where(hidden, functional.interpolate(coarse, weight.shape[-2:], mode="bilinear"), colours)


def _halve(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False)


def _enlarge_alpha(alpha: Tensor, enlarge: Callable[[Tensor], Tensor], size: torch.Size) -> Tensor:
    """Enlarge opacity as if it were gray, within what surrounds each pixel: opaque stays opaque, clear stays clear."""
    if alpha.min() == alpha.max():
        return alpha[..., :1, :1].expand(1, 1, *size)
    enlarged = enlarge(alpha.expand(-1, 3, -1, -1)).mean(dim=1, keepdim=True)
    highest = functional.max_pool2d(alpha, 3, stride=1, padding=1)
    lowest = -functional.max_pool2d(-alpha, 3, stride=1, padding=1)
    return enlarged.clamp(functional.interpolate(lowest, size), functional.interpolate(highest, size))
