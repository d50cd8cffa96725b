"""Enlarging a picture with a network that knows RGB alone: colours, gray and alpha each in the way they need.

What comes of the enlargement is reduced to gray or to alpha some rows at a time, in the type that it came in: of a
large picture there is never a second whole one, nor one of floats.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from srgan.pictures.decoded.picture import Picture
from srgan.pictures.metadata import exif_geometry

_BAND_PIXELS = 2**20  # of a result, that are floats at once


def upscale_picture(
    picture: Picture, enlarge: Callable[[Tensor], Tensor], *, room: Callable[..., Tensor] = torch.empty
) -> Picture:
    """Enlarge the colours and, apart from them, the alpha of a picture.

    Args:
        picture: Any picture.
        enlarge: Maps float RGB in [0, 1] of shape (1, 3, H, W) to (1, 3, s·H, s·W) for a whole number s: float, or
            levels of uint8 or uint16.
        room: Gives a tensor of a shape and a ``dtype`` as ``torch.empty`` does, such as one on disk.

    Returns:
        The picture with ``rgb`` and ``alpha`` enlarged, of the type that ``enlarge`` gives, ``exif`` put right, and all
        else kept.
    """
    alpha = picture.alpha
    gray = picture.gray or _is_gray(picture.rgb)
    # Alpha comes first, since the room of its three channels is free again when that of the colours is taken.
    even = alpha is None or bool(alpha.min() == alpha.max())
    opacity = None if alpha is None or even else _enlarge_alpha(alpha, enlarge, room)
    sr = enlarge(picture.rgb if alpha is None else fill_transparent(picture.rgb, alpha))
    if gray:
        sr = _one_channel(sr, room).expand(-1, 3, -1, -1)
    if alpha is not None and even:
        opacity = alpha[..., :1, :1].expand(1, 1, *sr.shape[-2:])
    exif = exif_geometry.enlarged(picture.exif, picture.size, (sr.shape[-2], sr.shape[-1]))
    return replace(picture, rgb=sr, alpha=opacity, exif=exif)


def _is_gray(rgb: Tensor) -> bool:
    """Whether a picture has no colours, as most black-and-white photos, though their files are of RGB."""
    red, green, blue = rgb[0].numpy()
    return np.array_equal(red, green) and np.array_equal(green, blue)


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


def _enlarge_alpha(alpha: Tensor, enlarge: Callable[[Tensor], Tensor], room: Callable[..., Tensor]) -> Tensor:
    """Enlarge opacity as if it were gray, within what surrounds each pixel: opaque stays opaque, clear stays clear."""
    highest = functional.max_pool2d(alpha, 3, stride=1, padding=1)
    lowest = -functional.max_pool2d(-alpha, 3, stride=1, padding=1)
    return _one_channel(enlarge(alpha.expand(-1, 3, -1, -1)), room, within=(lowest, highest))


def _one_channel(sr: Tensor, room: Callable[..., Tensor], *, within: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The mean of the channels, (1, 1, H, W), in the type of ``sr``; within two small pictures in [0, 1] if given."""
    height, width = sr.shape[-2:]
    peak = 1 if sr.is_floating_point() else torch.iinfo(sr.dtype).max
    reduced = room((1, 1, height, width), dtype=sr.dtype)
    small_height = height if within is None else within[0].shape[-2]
    scale = height // small_height
    rows = max(_BAND_PIXELS // (width * scale), 1)
    for top in range(0, small_height, rows):
        band = slice(top * scale, min(top + rows, small_height) * scale)
        mean = sr[..., band, :].float().mean(dim=1, keepdim=True)
        if within is not None:
            low, high = (
                functional.interpolate(each[..., top : top + rows, :], mean.shape[-2:]) * peak for each in within
            )
            mean = mean.clamp(low, high)
        reduced[..., band, :] = (mean if sr.is_floating_point() else mean.round()).to(sr.dtype)
    return reduced
