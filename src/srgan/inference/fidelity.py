"""More fidelity for more time: the mean over eight views, and agreement with the input.

Both wrap a network and know how far they look, so that they work in tiles, without more memory than a tile's.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from srgan.inference.wrapper import Network, Wrapper
from srgan.pictures.resize import downscale, upscale
from srgan.system.device import available_memory

_AXES = (-2, -1)
# How much of what is missing is added. 1 takes twice as many steps and 1.8 begins to swing, but 1 at the end removes
# what is the same all around, such as a shift of a colour, entirely.
_STEPS = (1.5, 1.5, 1.5, 1.5, 1.5, 1.0)
_CPU_PIXELS = 64 * 64  # of all views computed at once: of more, a CPU's caches lose what fewer calls save
_SHARE = 0.25  # of the memory that an accelerator has left
_REACH = 4  # input pixels that a step looks to each side: two down, two up


def views(network: Network, lr: Tensor) -> Iterator[Tensor]:
    """The results for the eight flips and quarter turns of the input, each flipped and turned back.

    As many at once as are of one size and fit: equal to one by one, but for rounding.
    """
    at_once = _num_at_once(network, lr)
    for side in range(2):  # the other side up turns height and width around
        ways = [(turns, flipped) for turns in (side, side + 2) for flipped in (False, True)]
        for begin in range(0, len(ways), at_once):
            yield from _turned_back(network, lr, ways[begin : begin + at_once])


def _turned_back(network: Network, lr: Tensor, ways: Sequence[tuple[int, bool]]) -> Iterator[Tensor]:
    """The results for some turns and flips, from one pass."""
    turned = [torch.rot90(lr, turns, _AXES) for turns, _ in ways]
    batch = torch.cat([view.flip(-1) if flipped else view for view, (_, flipped) in zip(turned, ways, strict=True)])
    sr: Tensor = network(batch.contiguous(memory_format=torch.channels_last)).float()
    for view, (turns, flipped) in zip(sr.chunk(len(ways)), ways, strict=True):
        yield torch.rot90(view.flip(-1) if flipped else view, -turns, _AXES)


def _num_at_once(network: Network, lr: Tensor) -> int:
    """How many views are computed together: 4, 2 or 1."""
    num_pixels = lr.numel() // lr.shape[1]
    if lr.device.type == "cpu":
        most = _CPU_PIXELS // num_pixels
    else:
        left = available_memory(lr.device)
        most = 0 if left is None else int(_SHARE * left / network.num_bytes(num_pixels))
    return next((number for number in (4, 2) if number <= most), 1)


class SelfEnsemble(Wrapper):
    """The mean over the eight flips and quarter turns of the input: eight times the time, fewer chance details.

    Reference: Timofte et al. 2016, arXiv:1511.02228, "enhanced prediction".
    """

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w)."""
        total, *others = views(self.network, lr)
        for sr in others:
            total = total + sr
        return total / 8


class Consistent(Wrapper):
    """Back-projection: the result, shrunk as MATLAB's bicubic does, is the input again; so no colour is shifted.

    What is missing from the input is enlarged and added six times. Each time leaves about half of it (on photos 0.7
    levels of 255 become 0.02), and widens a tile's margin by 4 pixels.

    Reference: Irani and Peleg 1991, "Improving resolution by image registration".
    """

    @property
    def receptive_radius(self) -> int:
        """The network's own and what the steps look further."""
        return self.network.receptive_radius + _REACH * len(_STEPS)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), in [0, 1]."""
        sr: Tensor = self.network(lr).float().clamp(0, 1)
        lr = lr.float()
        for step in _STEPS:
            missing = lr - downscale(sr, self.scale)
            sr = (sr + step * upscale(missing, self.scale)).clamp(0, 1)
        return sr
