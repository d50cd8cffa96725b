"""Exponential moving average of the generator: smoother weights than those of any one step."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """A copy of a network, parameters and BatchNorm buffers, that follows it when updated once a step.

    The decay warms up as (1 + n) / (10 + n), so that the random first weights are soon forgotten. Like torch's
    ``AveragedModel``, except that no step reads the counter, for which an accelerator would wait.

    Args:
        network: The network to follow; the copy takes no gradient.
        decay: Share of the average that each step keeps, in (0, 1), such as 0.999.

    Raises:
        ValueError: If ``decay`` is out of range.
    """

    n_averaged: Tensor

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ValueError(f"Expected model.ema_decay between 0 and 1, or null for no average, got {decay}.")
        self.module = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("n_averaged", torch.tensor(0))
        self._decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, *, unless: Tensor | None = None) -> None:
        """Move the average towards the network.

        Args:
            network: The network to follow, as it is now.
            unless: If this scalar is true, the average stays as it is: the step was dropped.
        """
        sound = torch.ones_like(self.n_averaged, dtype=torch.bool) if unless is None else ~unless
        pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))
        weight = self._weight() * sound
        for dtype in {averaged.dtype for averaged, _ in pairs}:
            averaged, current = zip(*(pair for pair in pairs if pair[0].dtype == dtype), strict=True)
            if dtype.is_floating_point:
                # Not by lerp, which takes tensors one by one if their weight is a tensor.
                steps = torch._foreach_sub(current, averaged)
                torch._foreach_mul_(steps, weight.to(dtype))
                torch._foreach_add_(averaged, steps)
            else:
                # BatchNorm's counters have no mean: 0.999 · 40 + 0.001 · 40 may come out as 39.
                torch._foreach_copy_(averaged, current)
        self.n_averaged += sound

    def _weight(self) -> Tensor:
        """Weight of the network in the next average: 1 at first."""
        n = self.n_averaged.to(torch.float32 if self.n_averaged.device.type == "mps" else torch.float64)
        return torch.where(n == 0, 1.0, 1 - ((1 + n) / (10 + n)).clamp(max=self._decay))


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
