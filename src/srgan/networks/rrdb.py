"""RRDBNet of ESRGAN and Real-ESRGAN: dense blocks in residual blocks, under BasicSR's names of tensors.

References: Wang et al. 2018, arXiv:1809.00219; Wang et al. 2021, arXiv:2107.10833.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.networks.adapted import Adapted
from srgan.networks.any_generator import SIXTEEN_BITS

_GROWTH = 32  # maps that each convolution of a dense block adds
_RESIDUAL = 0.2
_GAIN = 0.1  # of Kaiming's initialisation within the blocks


def rrdb(*, scale: int = 4, num_blocks: int = 23, channels: int = 64) -> Adapted:
    """ESRGAN's generator; plain spandrel and BasicSR load its tensors.

    Args:
        scale: How many times larger the output is: 2, 4 or 8.
        num_blocks: Residual-in-residual dense blocks: 23, or 6 as in Real-ESRGAN's network for drawings.
        channels: Feature maps; the paper's 64.

    Raises:
        ValueError: If a number is none of these.
    """
    if scale not in (2, 4, 8):
        raise ValueError(f"Expected scale to be 2, 4 or 8, got {scale!r}.")
    if num_blocks < 1 or channels < 1:
        raise ValueError(f"Expected num_blocks and channels of 1 or more, got {num_blocks} and {channels}.")
    network = RRDBNet(scale=scale, num_blocks=num_blocks, channels=channels)
    unshuffled = network.unshuffle > 1
    return Adapted(
        network,
        architecture="ESRGAN",
        tags=(f"{channels}nf", f"{num_blocks}nb", *(["unshuffle"] if unshuffled else [])),
        scale=scale,
        multiple_of=4 if unshuffled else 1,  # 2 would do, but other programs pad to this
        sixteen_bit_types=SIXTEEN_BITS,
    )


class RRDBNet(nn.Module):
    """The network; arguments as above."""

    def __init__(self, *, scale: int, num_blocks: int, channels: int) -> None:
        super().__init__()
        self.unshuffle = 2 if scale == 2 else 1  # BasicSR's network for 2 has the size of that for 4
        self.num_upscales = int(math.log2(scale * self.unshuffle))
        self.conv_first = nn.Conv2d(3 * self.unshuffle**2, channels, 3, padding=1)
        self.body = nn.Sequential(*(_Block(channels) for _ in range(num_blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        for stage in range(1, self.num_upscales + 1):
            self.add_module(f"conv_up{stage}", nn.Conv2d(channels, channels, 3, padding=1))
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w); h and w are even where scale is 2."""
        features = self.conv_first(functional.pixel_unshuffle(lr, self.unshuffle))
        features = features + self.conv_body(self.body(features))
        for stage in range(1, self.num_upscales + 1):
            upscaled = functional.interpolate(features, scale_factor=2, mode="nearest")
            features = _activated(self.get_submodule(f"conv_up{stage}")(upscaled))
        sr: Tensor = self.conv_last(_activated(self.conv_hr(features)))
        return sr


class _Block(nn.Module):
    """Residual in residual: three dense blocks, and a share of them added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(channels) for _ in range(3))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to the same shape."""
        residual: Tensor = self.rdb3(self.rdb2(self.rdb1(features)))
        return features + _RESIDUAL * residual


class _Dense(nn.Module):
    """Five convolutions, each of all maps before it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for index in range(5):
            out = channels if index == 4 else _GROWTH
            conv = nn.Conv2d(channels + index * _GROWTH, out, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            with torch.no_grad():
                conv.weight.mul_(_GAIN)
            self.add_module(f"conv{index + 1}", conv)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to the same shape."""
        maps = [features]
        for index in range(4):
            maps.append(_activated(self.get_submodule(f"conv{index + 1}")(torch.cat(maps, dim=1))))
        residual: Tensor = self.get_submodule("conv5")(torch.cat(maps, dim=1))
        return features + _RESIDUAL * residual


def _activated(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, 0.2)
