"""How much memory a network takes, measured on two small images: attention to everything grows with the square."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_SIDES = (32, 64)  # of the images, which suit windows of 8, 16 and 32
# How many times as much is held at once as goes into and comes out of the largest operation, with room to spare: by
# the whole process's memory, DAT_light_x4 took 1.7 to 1.9 times, rrdb 1.5, compact 1.0.
_ALIVE = 2.5


class Peak(NamedTuple):
    """``linear`` bytes an input pixel, and ``quadratic`` bytes a pair of pixels, in float32."""

    linear: float
    quadratic: float

    def num_bytes(self, num_pixels: int) -> float:
        """What an image of that many pixels takes at the peak."""
        return num_pixels * (self.linear + self.quadratic * num_pixels)


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the bytes of the largest operation: all that it reads but weights, and all that it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_bytes: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        values = [
            each
            for each in tree_leaves((args, kwargs, output))
            if isinstance(each, Tensor) and not isinstance(each, nn.Parameter)
        ]
        held = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in values}  # views once
        self.num_bytes = max(self.num_bytes, sum(held.values()))
        return output


@torch.inference_mode()
def measure_peak(network: nn.Module) -> Peak:
    """Measure how much memory a network takes.

    Args:
        network: Maps (1, 3, h, w) to an image; in evaluation mode.

    Returns:
        What two sizes took; a network that pads the smaller one counts as if it took as much for each pixel of others.
    """
    device = next(network.parameters()).device
    small, large = (_largest(network, torch.full((1, 3, side, side), 0.5, device=device)) for side in _SIDES)
    fewer, more = (side**2 for side in _SIDES)
    quadratic = max((large / more - small / fewer) / (more - fewer), 0.0)
    return Peak(linear=_ALIVE * max(small / fewer - quadratic * fewer, 0.0), quadratic=_ALIVE * quadratic)


def _largest(network: nn.Module, image: Tensor) -> int:
    largest = _Largest()
    with largest:
        network(image)
    return largest.num_bytes
