"""The pieces of a batch that a step computes with: micro-batches, and windows that move from step to step."""

from typing import Any

import torch
from torch import Tensor


def micro_batches(batch: dict[str, Any], number: int) -> list[tuple[Tensor, Tensor]]:
    """Split a batch into pairs of ``lr`` and ``hr`` of equal length, channels innermost in memory.

    Raises:
        ValueError: If the batch's length is no multiple of the number.
    """
    lr, hr = (batch[name].contiguous(memory_format=torch.channels_last) for name in ("lr", "hr"))
    if len(lr) % number:
        raise ValueError(
            f"Expected data.batch_size to be a multiple of model.num_micro_batches={number}, got {len(lr)}."
        )
    size = len(lr) // number
    return list(zip(lr.split(size), hr.split(size), strict=True))


def window(images: Tensor, *, step: int, shift: int) -> Tensor:
    """The part of each crop that a step's losses see, ``shift`` pixels smaller; all positions take their turn.

    Args:
        images: Shape (N, 3, H, W).
        step: Decides the position, so that a resumed run sees the same.
        shift: Pixels; 0 leaves the crops whole.

    Returns:
        Shape (N, 3, H - shift, W - shift).
    """
    if not shift:
        return images
    top, left = step % shift, step // shift % shift
    height, width = (side - shift for side in images.shape[-2:])
    return images[..., top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
