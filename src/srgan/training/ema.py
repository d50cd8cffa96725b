"""Exponential moving average of the generator: smoother weights than those of any one step."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(generator: nn.Module, decay: float) -> AveragedModel:
    """A copy of the generator, parameters and BatchNorm buffers, that follows it when updated once a step.

    The decay warms up as (1 + n) / (10 + n), so that the first weights, which know nothing, are soon forgotten.

    Args:
        generator: The network to follow; the copy takes no gradient.
        decay: Share of the average that stays at each step, in (0, 1), such as 0.999.

    Raises:
        ValueError: If ``decay`` is out of range.
    """
    if not 0 < decay < 1:
        raise ValueError(f"Expected model.ema_decay between 0 and 1, or null for no average, got {decay}.")

    def follow(averaged: Any, current: Any, num_averaged: Any) -> None:
        if not averaged[0].is_floating_point():
            # BatchNorm's counters have no mean: 0.999 · 40 + 0.001 · 40 may come out as 39.
            torch._foreach_copy_(averaged, current)
            return
        n = int(num_averaged)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averaged, current, n)  # type: ignore[no-untyped-call]

    return AveragedModel(generator, multi_avg_fn=follow, use_buffers=True).requires_grad_(False)
