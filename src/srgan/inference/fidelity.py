"""More fidelity for more time: the mean over eight views, and agreement with the input.

Both wrap a network and know how far they look, so that they work in tiles, without more memory than a tile's.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from srgan.inference.wrapper import Network, Wrapper
from srgan.pictures.resize import downscale, upscale

_AXES = (-2, -1)
# How much of what is missing is added. 1 takes twice as many steps and 1.8 begins to swing, but 1 at the end removes
# what is the same all around, such as a shift of a colour, entirely.
_STEPS = (1.5, 1.5, 1.5, 1.5, 1.5, 1.0)
_REACH = 4  # input pixels that a step looks to each side: two down, two up


def views(network: Network, lr: Tensor) -> Iterator[Tensor]:
    """The results for the eight flips and quarter turns of the input, each flipped and turned back."""
    for turns in range(4):
        for flipped in (False, True):
            turned = torch.rot90(lr, turns, _AXES)
            turned = turned.flip(-1) if flipped else turned
            sr: Tensor = network(turned.contiguous(memory_format=torch.channels_last)).float()
            yield torch.rot90(sr.flip(-1) if flipped else sr, -turns, _AXES)


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
