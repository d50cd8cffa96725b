"""Random crops, flips and quarter turns of HR/LR pairs.

On numpy's views, which take a fraction of the time of torch's and copy no pixels.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

NUM_ORIENTATIONS = 8  # four quarter turns, each mirrored or not

Image: TypeAlias = npt.NDArray[np.uint8]


def orient(image: Image, orientation: int) -> Image:
    """Turn and mirror an image.

    Args:
        image: Shape (..., H, W).
        orientation: 0 to 7: quarter turns in the lower two bits, mirrored from 4 on. 0 changes nothing.

    Returns:
        A view of the same pixels; height and width swapped for odd quarter turns.
    """
    turns = orientation % 4
    if orientation >= 4:
        image = image[..., ::-1]
    if turns == 2:
        return image[..., ::-1, ::-1]
    if turns % 2:
        image = image.swapaxes(-2, -1)
        return image[..., ::-1, :] if turns == 1 else image[..., ::-1]
    return image


def detail(windows: Image) -> npt.NDArray[np.float32]:
    """How much detail images have: the sum of their edge strengths by Sobel's operator.

    Args:
        windows: Shape (N, 3, h, w).

    Returns:
        Shape (N), in levels of 255, summed over the channels.
    """
    luma = windows.sum(axis=1, dtype=np.float32)
    rows = luma[:, :-2] + 2 * luma[:, 1:-1] + luma[:, 2:]
    columns = luma[..., :-2] + 2 * luma[..., 1:-1] + luma[..., 2:]
    across, down = rows[..., 2:] - rows[..., :-2], columns[:, 2:] - columns[:, :-2]
    strength: npt.NDArray[np.float32] = np.sqrt(across * across + down * down).sum(axis=(1, 2))
    return strength


def choose_crop(lr: Image, crop_size: int, *, num_candidates: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw windows uniformly and keep the one with the most detail.

    Most of most photos is smooth: bicubic is already right there, and there is nothing to learn. Only the windows are
    read, so that the time does not depend on the photo's size.

    Args:
        lr: Shape (3, h, w).
        crop_size: Side of the window in LR pixels.
        num_candidates: Windows to draw; 1 is a plain random crop.
        rng: Source of randomness.

    Returns:
        Top and left of the window in LR pixels.
    """
    height, width = lr.shape[-2:]
    tops = rng.integers(height - crop_size + 1, size=num_candidates).tolist()
    lefts = rng.integers(width - crop_size + 1, size=num_candidates).tolist()
    if num_candidates == 1:
        return tops[0], lefts[0]
    windows = [lr[:, top : top + crop_size, left : left + crop_size] for top, left in zip(tops, lefts, strict=True)]
    best = int(detail(np.stack(windows)).argmax())
    return tops[best], lefts[best]


def crop_pair(lr: Image, hr: Image, *, top: int, left: int, crop_size: int) -> tuple[Image, Image]:
    """Cut the same window out of both images of a pair.

    Args:
        lr: Shape (3, h, w).
        hr: Shape (3, scale * h, scale * w).
        top: First row in pixels of ``lr``.
        left: First column in pixels of ``lr``.
        crop_size: Side in pixels of ``lr``.

    Returns:
        Views of shapes (3, crop_size, crop_size) and (3, scale * crop_size, scale * crop_size).
    """
    scale = hr.shape[-1] // lr.shape[-1]
    hr_top, hr_left, hr_size = top * scale, left * scale, crop_size * scale
    return (
        lr[:, top : top + crop_size, left : left + crop_size],
        hr[:, hr_top : hr_top + hr_size, hr_left : hr_left + hr_size],
    )
