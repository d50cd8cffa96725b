"""Bicubic resizing in MATLAB's convention, the one that super-resolution papers measure in.

Cubic kernel with a = -0.5 (Keys 1981), widened by the scale when shrinking, borders mirrored with the edge pixel
repeated. Shrinking is a product of a few rows of the picture with the kernel's weights at a time, first over its rows
and then over its columns: several times as fast as torch's antialiased bicubic, and in little memory whatever the size
of the picture. Enlarging is torch's, which has the same kernel but renormalises it at the borders, so the picture is
mirrored outwards before and the margin is cut off afterwards.
"""

import torch
from torch import Tensor
from torch.nn import functional

_KERNEL_RADIUS = 2  # support of the cubic kernel, in pixels of the coarser grid
_BLOCK = 8  # rows that one product makes; more would be mostly zeros times pixels, fewer are read over and over


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
    others = hr.shape[:-2]
    rows = shrink_rows(hr.movedim(-2, 0).flatten(1), scale).view(-1, *others, width)
    columns = shrink_rows(rows.movedim(-1, 0).flatten(1), scale).view(width // scale, -1, *others)
    return columns.movedim((1, 0), (-2, -1)).contiguous()


def shrink_rows(rows: Tensor, scale: int) -> Tensor:
    """Shrink along the first axis alone, whatever lies on the second.

    Args:
        rows: Numbers of any kind, shape (scale * h, M).
        scale: Factor, 1 or more.

    Returns:
        float32 (float64 of float64), shape (h, M).
    """
    length = rows.shape[0] // scale
    dtype = torch.float64 if rows.dtype == torch.float64 else torch.float32
    weights = _shrinking_weights(scale).to(rows.device, dtype)
    position = _mirrored_index(rows.shape[0], _KERNEL_RADIUS * scale, rows.device)
    shrunk = []
    for start in range(0, length, _BLOCK):
        end = min(start + _BLOCK, length)
        needed = position[start * scale : (end + 2 * _KERNEL_RADIUS) * scale]
        shrunk.append(weights[: end - start, : len(needed)] @ rows.index_select(0, needed).to(dtype))
    return torch.cat(shrunk)


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
    sr = functional.interpolate(padded, size=size, mode="bicubic", antialias=True)
    cut = margin * scale
    return sr[..., cut : size[0] - cut, cut : size[1] - cut]


def _shrinking_weights(scale: int) -> Tensor:
    """What each pixel that a block needs adds to each row of it: float64, (rows, pixels)."""
    reach = torch.arange(-_KERNEL_RADIUS * scale, (_KERNEL_RADIUS + 1) * scale, dtype=torch.float64)
    distance = (reach + 0.5 - scale / 2).abs() / scale
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    kernel = torch.where(distance <= 1, near, torch.where(distance < _KERNEL_RADIUS, far, 0.0))
    weights = torch.zeros(_BLOCK, (_BLOCK + 2 * _KERNEL_RADIUS) * scale, dtype=torch.float64)
    for row in range(_BLOCK):
        weights[row, row * scale : row * scale + len(kernel)] = kernel / kernel.sum()
    return weights


def _mirrored_index(length: int, margin: int, device: torch.device) -> Tensor:
    position = torch.arange(-margin, length + margin, device=device) % (2 * length)
    return torch.where(position < length, position, 2 * length - 1 - position)
