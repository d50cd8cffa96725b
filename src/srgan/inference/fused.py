"""A generator's convolutions for inference: activation and sum in the convolution's own pass.

On x86 processors oneDNN does both while the values are in registers, and reads weights that were laid out for it once:
4 % less time on quiet cores, a fifth on busy ones, where every pass more is a wait for all threads.
"""

import platform
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.networks import Generator
from srgan.networks.blocks import ResidualBlock, UpscaleBlock
from srgan.networks.tail import UpscaleTail

_USUAL_SIDE = 128  # weights are laid out for it; those of other sizes are nearly always laid out alike


class FusedConv(nn.Module):
    """A convolution of stride 1, followed by a leaky ReLU or, instead, added to another tensor.

    Args:
        weight: Shape (out, in, k, k), k odd: the size stays.
        bias: Shape (out,).
        slope: The leaky ReLU's on the negative side; None: there is none.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, slope: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.slope = slope
        self._packed: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}

    def forward(self, features: Tensor, add_to: Tensor | None = None) -> Tensor:
        """Map (N, in, h, w) to (N, out, h, w); ``add_to`` has that shape, and may be written to."""
        assert self.slope is None or add_to is None
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else features.dtype
        if features.device.type != "cpu" or dtype not in _packable_types():
            return self._in_passes(features, add_to)
        weight, bias = self._packed.get(dtype) or self._pack(dtype)
        add_to = None if add_to is None else add_to.to(dtype)
        return _fused(features.to(dtype), weight, bias, self.weight.shape[-1] // 2, slope=self.slope, add_to=add_to)

    def __getstate__(self) -> dict[str, Any]:
        """Packed weights are opaque: they cannot be copied or pickled."""
        return {**self.__dict__, "_packed": {}}

    def _in_passes(self, features: Tensor, add_to: Tensor | None) -> Tensor:
        result = functional.conv2d(features, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        if self.slope is not None:
            functional.leaky_relu_(result, self.slope)
        return result if add_to is None else result.add_(add_to)

    def _pack(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        bias = None if self.bias is None else self.bias.to(dtype)
        self._packed[dtype] = packed = (_laid_out(self.weight.to(dtype)), bias)
        return packed


class _InFull(nn.Module):
    """A layer that stays in float32 where others take bfloat16, which would keep 8 bits of the picture.

    Of the difference that bfloat16 makes to a result 60 % come from there, of the time a hundredth.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """What the layer makes of images."""
        device = images.device.type
        in_half = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) is not torch.bfloat16
        with torch.autocast(device, enabled=in_half):
            result: Tensor = self.layer(images)
        return result


class _Copy(nn.Module):
    """What comes out may be changed."""

    def forward(self, features: Tensor) -> Tensor:
        """The same values."""
        return features.clone()


class _FusedBlock(nn.Module):
    """A residual block in two passes, the second of which may change its input."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.conv1 = _fused_conv(block.conv1[0], block.activation)
        self.conv2 = _fused_conv(block.conv2[0])

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to the same shape."""
        result: Tensor = self.conv2(self.conv1(features), features)
        return result


def fuse_(generator: Generator) -> Generator:
    """Exchange the layers of a generator without BatchNorm, whose activations have one slope each; returns it."""
    generator.head = nn.Sequential(_InFull(_exchanged(generator.head)))
    generator.body = nn.Sequential(_Copy(), *map(_exchanged, generator.body))  # the long skip needs what goes in
    generator.upscale = nn.Sequential(*map(_exchanged, generator.upscale))
    generator.register_module("tail", _exchanged(generator.tail))
    return generator


def _exchanged(module: nn.Module) -> nn.Module:
    if isinstance(module, ResidualBlock):
        return _FusedBlock(module)
    if isinstance(module, UpscaleBlock):
        return _fused_upscale(module)
    if isinstance(module, UpscaleTail):
        return _fused_tail(module)
    assert isinstance(module, nn.Sequential)
    return _fused_conv(*module)


def _fused_conv(conv: nn.Module, activation: nn.Module | None = None) -> FusedConv:
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(activation, nn.PReLU | None)
    return FusedConv(conv.weight, conv.bias, slope=None if activation is None else activation.weight.item())


def _fused_upscale(block: UpscaleBlock) -> nn.Sequential:
    return nn.Sequential(_fused_conv(block.conv, block.activation), block.shuffle)  # pointwise: before or after


def _fused_tail(tail: UpscaleTail) -> nn.Sequential:
    first = _fused_conv(tail.upscale.conv, tail.upscale.activation)
    return nn.Sequential(first, FusedConv(tail.coarse_kernel(), tail.coarse_bias()), tail.shuffle)


def _laid_out(weight: Tensor) -> Tensor:
    channels, side = weight.shape[1:3]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, [side // 2] * 2, [1, 1], [1, 1], 1, [1, channels, _USUAL_SIDE, _USUAL_SIDE]
    )
    return packed


def _fused(
    features: Tensor, weight: Tensor, bias: Tensor | None, padding: int, *, slope: float | None, add_to: Tensor | None
) -> Tensor:
    settings = (weight, bias, [padding] * 2, [1, 1], [1, 1], 1)
    result: Tensor
    if add_to is None:
        activation = ("none", []) if slope is None else ("leaky_relu", [slope])
        result = torch.ops.mkldnn._convolution_pointwise(features, *settings, *activation, "")
    else:
        result = torch.ops.mkldnn._convolution_pointwise_.binary(
            add_to, features, *settings, "add", 1.0, None, [], None
        )
    return result


@cache
def _packable_types() -> frozenset[torch.dtype]:
    """The types that this torch and processor compute so; its operators are not public, hence the look at a result."""
    with torch.autocast("cpu", enabled=False):
        return frozenset(dtype for dtype in (torch.float32, torch.bfloat16) if _works(dtype))


def _works(dtype: torch.dtype) -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    features = torch.linspace(-1, 1, 8 * 5 * 6, device="cpu").view(1, 8, 5, 6).to(dtype)
    weight = torch.linspace(-0.1, 0.1, 16 * 8 * 9, device="cpu").view(16, 8, 3, 3).to(dtype)
    skip = torch.linspace(-1, 2, 16 * 5 * 6, device="cpu").view(1, 16, 5, 6).to(dtype)
    plain = functional.conv2d(features.float(), weight.float(), padding=1)
    try:
        packed = _laid_out(weight)
        activated = _fused(features, packed, None, 1, slope=0.25, add_to=None)
        added = _fused(features, packed, None, 1, slope=None, add_to=skip.clone())
    except (AttributeError, RuntimeError):  # absent, changed, or not for this processor
        return False
    close = partial(torch.allclose, rtol=0.02, atol=0.02)  # bfloat16's steps
    return close(activated.float(), functional.leaky_relu(plain, 0.25)) and close(added.float(), plain + skip.float())
