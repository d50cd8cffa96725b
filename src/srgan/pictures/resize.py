"""Bicubic resizing in MATLAB's convention, the one that super-resolution papers measure in.

Cubic kernel with a = -0.5 (Keys 1981), widened by the scale when shrinking, borders mirrored with the edge pixel
repeated. Torch's antialiased bicubic has the same kernel but renormalises it at the borders, so the picture is
mirrored outwards before torch resizes it and the margin is cut off afterwards.

For whole 8-bit photos there is a second way to the same pixels, several times as fast and in little memory.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from torch import Tensor
from torch.nn import functional

_KERNEL_RADIUS = 2  # support of the cubic kernel, in pixels of the coarser grid
_BLOCK_ROWS = 4  # per product; with more, the kernel's matrix would be mostly zeros
_STRIPE_ROWS = 32  # shrunk both ways at a time: results in between stay in the processor's cache and need no new pages
_BLOCK_COLUMNS = 640  # small enough for BLAS to stay in the calling thread; there are many of these


def mirror_pad(images: Tensor, margin: int) -> Tensor:
    """Mirror an image outwards with the edge pixel repeated, however small the image is.

    Args:
        images: Shape (..., H, W).
        margin: Pixels to add on each side.

    Returns:
        Shape (..., H + 2 * margin, W + 2 * margin).
    """
    for axis in (-2, -1):
        left = margin
        while left:  # more than once if the image is smaller than the margin
            step = min(left, images.shape[axis])
            first, last = images.narrow(axis, 0, step), images.narrow(axis, images.shape[axis] - step, step)
            images = torch.cat([first.flip(axis), images, last.flip(axis)], axis)
            left -= step
    return images


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


def downscale_pixels(hr: Tensor, scale: int) -> Tensor:
    """Shrink an 8-bit picture as ``downscale`` does, clamped and rounded to 8 bit; on the CPU, in one thread.

    Args:
        hr: uint8, shape (3, scale * h, scale * w).
        scale: Factor, 1 or more.

    Returns:
        uint8, shape (3, h, w).
    """
    _, height, width = hr.shape
    num_rows, num_columns = height // scale, width // scale
    # Colours innermost, as in a decoded file, so that only rows that are already shrunk are transposed, one pixel at a
    # time: V12 and V3 are the bytes of its three colours.
    pixels = hr.permute(1, 2, 0).reshape(height, -1).numpy()
    lr = np.empty((num_rows, num_columns), "V3")
    for top in range(0, num_rows, _STRIPE_ROWS):
        rows = _shrink_rows(pixels, scale, top=top, num_rows=min(_STRIPE_ROWS, num_rows - top))
        columns = _shrink_rows(np.ascontiguousarray(rows.view("V12").T).view(np.float32), scale, num_rows=num_columns)
        levels = np.rint(columns.clip(0, 255, out=columns), out=columns).astype(np.uint8)
        lr[top : top + len(rows)] = levels.view("V3").T
    return torch.from_numpy(lr.view(np.uint8).reshape(num_rows, num_columns, 3)).permute(2, 0, 1)


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


def resize_rows(image: Tensor, size: tuple[int, int], first: int, last: int) -> Tensor:
    """Some rows of an image resized to any size, as MATLAB's ``imresize(image, size)`` makes them.

    Pillow's bicubic on floats has the same kernel; it also renormalises at borders, so it is given a mirrored image.

    Args:
        image: Values of any type, shape (1, C, H, W), on the CPU; only the rows needed are converted to floats.
        size: Height and width of the resized image.
        first: First row wanted.
        last: Row after the last one wanted.

    Returns:
        Float32, shape (1, C, last - first, width), in the units of ``image``. Not clamped.
    """
    height, width = image.shape[-2:]
    down, across = height / size[0], width / size[1]
    above, beside = (math.ceil(_KERNEL_RADIUS * max(step, 1)) + 1 for step in (down, across))
    top, bottom = math.floor(first * down) - above, math.ceil(last * down) + above
    rows, columns = (
        _mirrored(image.shape[-2], top, bottom),
        _mirrored(image.shape[-1], -beside, image.shape[-1] + beside),
    )
    box = (beside, first * down - top, beside + image.shape[-1], last * down - top)
    planes = image[0].numpy()[:, rows][..., columns].astype(np.float32)
    resized = [
        np.array(Image.fromarray(plane).resize((size[1], last - first), Image.Resampling.BICUBIC, box=box))
        for plane in planes
    ]
    return torch.from_numpy(np.stack(resized)).unsqueeze(0)


def _shrink_rows(rows: npt.NDArray[np.generic], scale: int, *, top: int = 0, num_rows: int) -> npt.NDArray[np.float32]:
    """Shrink (scale * h, M) to h rows and return those from ``top`` on: a block is the kernel times the rows it needs.

    All blocks in one call, during which other threads can run: with many small calls they would wait for each other.
    """
    weights = _shrinking_weights(scale)
    num_blocks, (num_parts, part) = math.ceil(num_rows / _BLOCK_ROWS), _parts(rows.shape[1])
    position = np.pad(np.arange(len(rows)), _KERNEL_RADIUS * scale, mode="symmetric")
    needed = position[top * scale :][: (num_rows + 2 * _KERNEL_RADIUS) * scale]
    floats = np.empty(((num_blocks * _BLOCK_ROWS + 2 * _KERNEL_RADIUS) * scale, num_parts * part), np.float32)
    floats[: len(needed), : rows.shape[1]] = _picked(rows, needed)
    floats[len(needed) :] = floats[:, rows.shape[1] :] = 0
    shrunk = np.empty((num_blocks * _BLOCK_ROWS, num_parts * part), np.float32)
    windows = sliding_window_view(floats.reshape(-1, num_parts, part), weights.shape[1], axis=0)
    blocks = shrunk.reshape(num_blocks, _BLOCK_ROWS, num_parts, part).swapaxes(1, 2)
    np.matmul(weights, windows[:: _BLOCK_ROWS * scale].swapaxes(2, 3), out=blocks)
    return shrunk[:num_rows, : rows.shape[1]]


def _parts(num_columns: int) -> tuple[int, int]:
    """The number of parts that columns are split into, and the length of each; the last may extend beyond the end."""
    num_parts = math.ceil(num_columns / _BLOCK_COLUMNS)
    return num_parts, math.ceil(num_columns / num_parts)


def _picked(rows: npt.NDArray[np.generic], index: npt.NDArray[np.int64]) -> npt.NDArray[np.generic]:
    """Rows by index; neighbouring indices differ by at most 1. A view if they are consecutive, else a copy."""
    if index[-1] - index[0] == len(index) - 1:
        return rows[index[0] : index[-1] + 1]
    return rows[index]


def _shrinking_weights(scale: int) -> npt.NDArray[np.float32]:
    """The weight of each input row of a block in each of its output rows."""
    reach = np.arange(-_KERNEL_RADIUS * scale, (_KERNEL_RADIUS + 1) * scale)
    distance = np.abs(reach + 0.5 - scale / 2) / scale
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    kernel = np.where(distance <= 1, near, np.where(distance < _KERNEL_RADIUS, far, 0.0))
    weights = np.zeros((_BLOCK_ROWS, (_BLOCK_ROWS + 2 * _KERNEL_RADIUS) * scale), np.float32)
    for row in range(_BLOCK_ROWS):
        weights[row, row * scale : row * scale + len(kernel)] = kernel / kernel.sum()
    return weights


def _interpolate(images: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(images, size=size, mode="bicubic", antialias=True)


def _crop(images: Tensor, margin: int) -> Tensor:
    return images[..., margin : images.shape[-2] - margin, margin : images.shape[-1] - margin]


def _mirrored(length: int, first: int, last: int) -> npt.NDArray[np.int64]:
    """The mirrored index among ``length`` pixels of each position from ``first`` to ``last``, even beyond borders."""
    position = np.arange(first, last) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)
