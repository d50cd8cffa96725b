"""The last upscale layer and the output convolution in one, computed at half the output's resolution.

A k9 convolution from 64 maps to 3 at full resolution is slow in every convolution library, and the features it reads
are the network's largest tensor. PixelShuffle only moves values, so the convolution after it can be moved before it: a
k5 convolution from 256 maps to 12, whose kernel holds the same 9x9 weights in other places.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.networks.blocks import UpscaleBlock

_KERNEL = 9
_COARSE_KERNEL = 5  # what 9 fine taps reach from either sub-pixel, on the coarse grid


class UpscaleTail(nn.Module):
    """k3n256s1, PixelShuffle 2, PReLU, k9n3s1; same parameters and result as the paper's order of layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upscale = UpscaleBlock(channels)
        self.output = nn.Conv2d(channels, 3, _KERNEL, padding=_KERNEL // 2)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, 3, 2h, 2w)."""
        unshuffled = self.upscale.activation(self.upscale.conv(features))  # (N, 4C, h, w): PReLU is pointwise
        # To (N, 12, h, w).
        coarse = functional.conv2d(unshuffled, self.coarse_kernel(), self.coarse_bias(), padding=_COARSE_KERNEL // 2)
        image: Tensor = self.shuffle(coarse)
        return image

    def coarse_bias(self) -> Tensor | None:
        """A bias for each of the four sub-pixels: shape (12,)."""
        return None if self.output.bias is None else self.output.bias.repeat_interleave(4)

    def coarse_kernel(self) -> Tensor:
        """The 9x9 kernel's weights, laid out for the coarse grid: shape (12, 4C, 5, 5).

        Through its tap t of 0 … 8, output row 2i + dy reads fine row 2i + dy + t - 4. That is sub-row p of coarse row
        i + k - 2 with 2k + p = dy + t: the kernel shifted down by dy, whose even and odd rows belong to one sub-row
        each. The same holds for columns.
        """
        weight = self.output.weight
        moved = [functional.pad(weight, (dx, 1 - dx, dy, 1 - dy)) for dy in (0, 1) for dx in (0, 1)]
        # Not indexing: with several threads its backward pass adds numbers up in another order each time.
        return functional.pixel_unshuffle(torch.stack(moved, dim=1).flatten(0, 1), 2)  # of (12, C, 10, 10)
