"""Bicubic resizing in MATLAB's convention, the one that super-resolution papers measure in.

Cubic kernel with a = -0.5 (Keys 1981), widened by the scale when shrinking, borders mirrored with the edge pixel
repeated. Torch's antialiased bicubic has the same kernel but renormalises it at the borders, so the picture is
mirrored outwards before torch resizes it and the margin is cut off afterwards.
"""

import torch
from torch import Tensor
from torch.nn import functional

_KERNEL_RADIUS = 2  # support of the cubic kernel, in pixels of the coarser grid


def mirror_pad(images: Tensor, margin: int) -> Tensor:
    """Mirror an image outwards with the edge pixel repeated, however small the image is.

    Args:
        images: Shape (..., H, W).
        margin: Pixels to add on each side.

    Returns:
        Shape (..., H + 2 * margin, W + 2 * margin).
    """
    height, width = images.shape[-2:]
    rows = _mirrored_index(height, margin, images.device)
    columns = _mirrored_index(width, margin, images.device)
    return images.index_select(-2, rows).index_select(-1, columns)


def downscale(hr: Tensor, scale: int) -> Tensor:
    """Shrink images by an integer factor as MATLAB's ``imresize(hr, 1 / scale)`` does.

    Args:
        hr: Float RGB in [0, 1], shape (N, 3, scale * h, scale * w).
        scale: Factor, 1 or more.

    Returns:
        Shape (N, 3, h, w). Not clamped: the kernel overshoots [0, 1] at edges.

    Raises:
        ValueError: If a side of ``hr`` is no multiple of ``scale``.
    """
    height, width = hr.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"Expected sides that are multiples of {scale}, got {height}x{width}. Crop the image first.")
    # The margin is a multiple of the scale, so that the coarse grid keeps its phase.
    coarse_margin = _KERNEL_RADIUS + 1
    padded = mirror_pad(hr, coarse_margin * scale)
    size = (height // scale + 2 * coarse_margin, width // scale + 2 * coarse_margin)
    return _crop(_interpolate(padded, size), coarse_margin)


def upscale(lr: Tensor, scale: int) -> Tensor:
    """Enlarge images by an integer factor as MATLAB's ``imresize(lr, scale)`` does.

    Args:
        lr: Float RGB in [0, 1], shape (N, 3, h, w).
        scale: Factor, 1 or more.

    Returns:
        Shape (N, 3, scale * h, scale * w). Not clamped.
    """
    margin = _KERNEL_RADIUS + 1
    padded = mirror_pad(lr, margin)
    size = (padded.shape[-2] * scale, padded.shape[-1] * scale)
    return _crop(_interpolate(padded, size), margin * scale)


def _interpolate(images: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(images, size=size, mode="bicubic", antialias=True)


def _crop(images: Tensor, margin: int) -> Tensor:
    return images[..., margin : images.shape[-2] - margin, margin : images.shape[-1] - margin]


def _mirrored_index(length: int, margin: int, device: torch.device) -> Tensor:
    position = torch.arange(-margin, length + margin, device=device) % (2 * length)
    return torch.where(position < length, position, 2 * length - 1 - position)
