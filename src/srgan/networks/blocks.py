"""Building blocks of the networks, labelled in the paper's notation (k9n64s1: 9x9 kernel, 64 maps, stride 1).

References: Ledig et al. 2017, arXiv:1609.04802, fig. 4; sub-pixel convolution: Shi et al. 2016, arXiv:1609.05158;
its initialisation (ICNR): Aitken et al. 2017, arXiv:1707.02937.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["batch", "none"]


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm that does not count its batches: nothing reads the number, and a card launches a kernel for each."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, h, w) over all but the channels."""
        statistics = self.running_mean, self.running_var
        return functional.batch_norm(
            input, *statistics, self.weight, self.bias, self.training, self.momentum or 0.0, self.eps
        )


class ConvNorm(nn.Sequential):
    """k3 convolution and, unless ``norm`` is ``none``, BatchNorm (which makes the convolution's bias redundant)."""

    def __init__(self, channels: int, *, norm: Norm) -> None:
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=norm == "none")
        super().__init__(conv, *([BatchNorm(channels)] if norm == "batch" else []))


class ResidualBlock(nn.Module):
    """k3n64s1, BN, PReLU, k3n64s1, BN, and the sum with the input."""

    def __init__(self, channels: int, *, norm: Norm) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, norm=norm)
        self.activation = nn.PReLU()
        self.conv2 = ConvNorm(channels, norm=norm)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to the same shape."""
        residual: Tensor = self.conv2(self.activation(self.conv1(features)))
        return features + residual


class UpscaleBlock(nn.Module):
    """k3n256s1, PixelShuffle 2, PReLU: doubles height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.activation = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, C, 2h, 2w)."""
        upscaled: Tensor = self.activation(self.shuffle(self.conv(features)))
        return upscaled


def icnr_(conv: nn.Conv2d, upscale: int = 2) -> None:
    """Give all sub-pixels of an output pixel the same weights, so that an untrained layer shows no checkerboard.

    Args:
        conv: The convolution before ``PixelShuffle(upscale)``; changed in place.
        upscale: The shuffle's factor.

    Reference: Aitken et al. 2017, arXiv:1707.02937.
    """
    group = upscale**2  # PixelShuffle reads its sub-pixels from this many neighbouring channels.
    with torch.no_grad():
        conv.weight.copy_(conv.weight[::group].repeat_interleave(group, dim=0))
        if conv.bias is not None:
            conv.bias.copy_(conv.bias[::group].repeat_interleave(group))


def mirrored_index(images: Tensor, dim: int, margin: int) -> Tensor:
    """Which rows or columns to read to mirror an image outwards, with the edge pixel repeated.

    Args:
        images: Shape (..., H, W).
        dim: -2 for rows, -1 for columns.
        margin: Pixels to add on each side: at most the length, or any number for a length of 1.

    Returns:
        Indices, shape (length + 2 * margin,).
    """
    # One reflection at each end, and a clamp for a length of 1: modulo by an unknown length cannot be exported.
    length = images.shape[dim]
    position = torch.arange(-margin, length + margin, device=images.device)
    reflected = torch.maximum(position, -1 - position)
    return torch.minimum(reflected, 2 * length - 1 - reflected).clamp(min=0)


class BicubicUpscale(nn.Module):
    """Bicubic enlargement (a = -0.5, mirrored borders) as a fixed convolution and a PixelShuffle.

    Equal to ``srgan.pictures.resize.upscale``; written with operators that every export format and device supports.
    """

    kernels: Tensor
    mirror = staticmethod(mirrored_index)  # replaced in exports that have to follow the size and device of their input
    _RADIUS = 2

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.shuffle = nn.PixelShuffle(scale)
        taps = torch.stack([self._phase_taps(phase, scale) for phase in range(scale)])  # (s, 5)
        kernels = torch.einsum("iy,jx->ijyx", taps, taps).reshape(scale**2, 1, *[2 * self._RADIUS + 1] * 2)
        self.register_buffer("kernels", kernels.repeat(3, 1, 1, 1), persistent=False)  # a constant, not a weight

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w)."""
        # In full precision whatever the network computes in: the skip carries the image itself.
        with torch.autocast(lr.device.type, enabled=False):
            return self._upscale(lr)

    def _upscale(self, lr: Tensor) -> Tensor:
        padded = lr.index_select(-2, self.mirror(lr, -2, self._RADIUS))
        padded = padded.index_select(-1, self.mirror(lr, -1, self._RADIUS))
        upscaled: Tensor = self.shuffle(functional.conv2d(padded, self.kernels.to(lr.dtype), groups=3))
        return upscaled

    @classmethod
    def _phase_taps(cls, phase: int, scale: int) -> Tensor:
        centre = (phase + 0.5) / scale - 0.5  # the sub-pixel's offset from the middle tap, in input pixels
        return torch.tensor([_cubic(tap - centre) for tap in range(-cls._RADIUS, cls._RADIUS + 1)])


def _cubic(distance: float, a: float = -0.5) -> float:
    """Keys' cubic convolution kernel."""
    x = math.fabs(distance)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0
