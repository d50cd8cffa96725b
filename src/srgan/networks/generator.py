"""The generator: a residual network that enlarges an image (Ledig et al. 2017, arXiv:1609.04802, fig. 4)."""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from srgan.networks.any_generator import AnyGenerator
from srgan.networks.blocks import BicubicUpscale, ConvNorm, Norm, ResidualBlock, UpscaleBlock, icnr_
from srgan.networks.tail import UpscaleTail

GlobalSkip = Literal["none", "bicubic"]

_GAIN_WITHOUT_NORM = 0.35  # found by trial, see docs/recipes.md: 1 diverges, 0.1 stays at bicubic
_TAIL_GAIN_WITH_SKIP = 0.1  # so that training starts close to bicubic
# Measured in float32 at the peak, in the tail: the widest activation, channels · scale² values, is there 2.4 times.
_PEAK = 2.4 * 4


class Generator(AnyGenerator):
    """SRResNet: k9n64, 16 residual blocks, k3n64 with a long skip, upscale layers, k9n3.

    Args:
        scale: How many times larger the output is: 2, 4 or 8.
        num_blocks: Residual blocks; the paper's 16.
        channels: Feature maps; the paper's 64.
        norm: ``batch`` as in the paper, or ``none``.
        global_skip: ``bicubic`` adds the bicubically upscaled input to the output, so that the network learns only
            what bicubic lacks. Differs from the paper, which has ``none``: it learns in minutes instead of hours.

    Raises:
        ValueError: If an option has a value not listed here.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        num_blocks: int = 16,
        channels: int = 64,
        norm: Norm = "batch",
        global_skip: GlobalSkip = "none",
    ) -> None:
        super().__init__()
        _check("scale", scale, (2, 4, 8))
        _check("norm", norm, ("batch", "none"))
        _check("global_skip", global_skip, ("none", "bicubic"))
        if num_blocks < 1 or channels < 1:
            raise ValueError(f"Expected num_blocks and channels of 1 or more, got {num_blocks} and {channels}.")
        self.scale, self.num_blocks, self.channels = scale, num_blocks, channels
        self.norm, self.global_skip = norm, global_skip

        self.head = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())  # k9n64s1
        self.body = nn.Sequential(
            *(ResidualBlock(channels, norm=norm) for _ in range(num_blocks)),
            ConvNorm(channels, norm=norm),  # k3n64s1
        )
        num_upscales = int(math.log2(scale))
        self.upscale = nn.Sequential(*(UpscaleBlock(channels) for _ in range(num_upscales - 1)))  # k3n256s1 each
        self.tail = UpscaleTail(channels)  # k3n256s1, k9n3s1
        self.skip = BicubicUpscale(scale) if global_skip == "bicubic" else None
        self._initialise()

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge images.

        Args:
            lr: Float RGB in [0, 1], shape (N, 3, h, w), any h and w from 1.

        Returns:
            Shape (N, 3, scale * h, scale * w). Not clamped: clamp before showing or saving.

        Raises:
            ValueError: If ``lr`` has another shape.
        """
        if lr.ndim != 4 or lr.shape[1] != 3 or not lr.numel():
            raise ValueError(
                f"Expected lr of shape (N, 3, h, w), got {tuple(lr.shape)}. Convert to RGB and add a batch dimension."
            )
        features = self.head(lr)  # (N, C, h, w)
        features = features + self.body(features)  # (N, C, h, w)
        sr: Tensor = self.tail(self.upscale(features))  # (N, 3, scale * h, scale * w)
        return sr if self.skip is None else sr + self.skip(lr)

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values: all that is needed to build this network again."""
        names = ("scale", "num_blocks", "channels", "norm", "global_skip")
        return {name: getattr(self, name) for name in names}

    @property
    def receptive_radius(self) -> int:
        """How many input pixels in each direction an output pixel can depend on."""
        radius = 4.0 + 2 * self.num_blocks + 1  # head, two convolutions a block, the convolution after the blocks
        for stage in range(len(self.upscale) + 1):
            radius += 1 / 2**stage  # each upscale layer convolves on a grid twice as fine as the last
        return math.ceil(radius + 4 / self.scale)

    def num_bytes(self, num_pixels: int) -> float:
        """Device memory at the peak: 9.8 kB an input pixel for the paper's network in float32."""
        return num_pixels * _PEAK * self.channels * self.scale**2

    @property
    def carries_picture(self) -> bool:
        """Whether the bicubic skip carries the picture, in float32, around the network."""
        return self.global_skip == "bicubic"

    def _initialise(self) -> None:
        """Kaiming's initialisation, scaled down if no BatchNorm keeps the residual blocks from adding up."""
        gain = 1.0 if self.norm == "batch" else _GAIN_WITHOUT_NORM
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                with torch.no_grad():
                    module.weight.mul_(gain)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, UpscaleBlock):
                icnr_(module.conv)
        if self.skip is not None:
            with torch.no_grad():
                self.tail.output.weight.mul_(_TAIL_GAIN_WITH_SKIP)


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"Expected {name} to be one of {', '.join(map(str, allowed))}, got {value!r}.")
