"""More fidelity for more time: the mean over eight views, and agreement with the input.

Both wrap a network and know how far they look, so that they work in tiles, without more memory than a tile's.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from srgan.inference.network import Network, Wrapper
from srgan.resize import downscale, upscale

_AXES = (-2, -1)
_STEP = 1.5  # 1 takes twice as many steps, 1.8 begins to swing
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

    Args:
        network: The network.
        num_steps: How often what is missing from the input is enlarged and added. Each step leaves about half of it
            (the mean over photos), and widens a tile's margin by 4 pixels.

    Reference: Irani and Peleg 1991, "Improving resolution by image registration".
    """

    def __init__(self, network: Network, *, num_steps: int = 6) -> None:
        super().__init__(network)
        self.num_steps = num_steps

    @property
    def receptive_radius(self) -> int:
        """The network's own and what the steps look further."""
        return self.network.receptive_radius + _REACH * self.num_steps

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), in [0, 1]."""
        sr: Tensor = self.network(lr).float().clamp(0, 1)
        lr = lr.float()
        for _ in range(self.num_steps):
            missing = lr - downscale(sr, self.scale)
            sr = (sr + _STEP * upscale(missing, self.scale)).clamp(0, 1)
        return sr
