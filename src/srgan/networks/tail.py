"""The last upscale layer and the output convolution in one, computed at half the output's resolution.

A k9 convolution from 64 maps to 3 at full resolution is a poor shape for every convolution library, and the features
it reads are the network's largest tensor. PixelShuffle only moves values, so the convolution behind it can be moved
before it: a k5 convolution from 256 maps to 12, whose kernel holds the same 9x9 weights in other places.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.networks.blocks import UpscaleBlock

_KERNEL = 9
_COARSE_KERNEL = 5  # reach of 9 fine taps from either sub-pixel, on the coarse grid


class UpscaleTail(nn.Module):
    """k3n256s1, PixelShuffle 2, PReLU, k9n3s1; parameters and result as in the paper's order of layers."""

    tap_index: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upscale = UpscaleBlock(channels)
        self.output = nn.Conv2d(channels, 3, _KERNEL, padding=_KERNEL // 2)
        self.shuffle = nn.PixelShuffle(2)
        self.register_buffer("tap_index", _tap_index(), persistent=False)  # a constant, not a weight

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, 3, 2h, 2w)."""
        unshuffled = self.upscale.activation(self.upscale.conv(features))  # (N, 4C, h, w): PReLU is pointwise
        bias = None if self.output.bias is None else self.output.bias.repeat_interleave(4)
        coarse = functional.conv2d(unshuffled, self.coarse_kernel(), bias, padding=_COARSE_KERNEL // 2)  # (N, 12, h, w)
        image: Tensor = self.shuffle(coarse)
        return image

    def coarse_kernel(self) -> Tensor:
        """The 9x9 kernel's weights, laid out for the coarse grid: shape (12, 4C, 5, 5)."""
        fine = functional.pad(self.output.weight.flatten(2), (0, 1))  # (3, C, 82): the last tap is the 0 outside
        coarse = fine[:, :, self.tap_index]  # (3, C, 2, 2, 2, 2, 5, 5): to dy dx, from py px, taps
        return coarse.permute(0, 2, 3, 1, 4, 5, 6, 7).reshape(12, -1, _COARSE_KERNEL, _COARSE_KERNEL)


def _tap_index() -> Tensor:
    """Which of the 81 fine taps (81: none) each coarse tap is, shape (dy, dx, py, px, 5, 5).

    Output row 2i + dy reads fine row 2i + dy + t for t in -4 … 4, and that is sub-row p of coarse row i + k
    with 2k + p = dy + t.
    """
    target = torch.arange(2).view(2, 1, 1)
    source = torch.arange(2).view(1, 2, 1)
    offset = torch.arange(_COARSE_KERNEL).view(1, 1, -1) - _COARSE_KERNEL // 2
    tap = 2 * offset + source - target + _KERNEL // 2  # (dy, py, 5), along one axis
    inside = (tap >= 0) & (tap < _KERNEL)
    rows, columns = tap[:, None, :, None, :, None], tap[None, :, None, :, None, :]
    both = inside[:, None, :, None, :, None] & inside[None, :, None, :, None, :]
    return torch.where(both, rows * _KERNEL + columns, _KERNEL**2)
