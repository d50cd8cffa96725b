"""3x3 convolutions with frozen kernels by Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications.

A 6x6 patch of the input and the kernel are transformed; their product, entry by entry and summed over channels, is the
transform of 4x4 outputs. Kernels that never change are transformed once. It is exact algebra, with a rounding error
a few times that of the direct sum. It pays off on CPUs for wide layers (docs/performance.md); GPU libraries include it.

Reference: Lavin and Gray 2016, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_TILE = 4  # side of the output of one patch
_PATCH = _TILE + 2
_NARROW, _WIDE, _MIN_SIDE = 128, 256, 12  # below these, the transforms take longer than they save

_INPUT = (  # B transposed, in the paper's letters
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_KERNEL = (  # G
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (  # A transposed
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


def suits(conv: nn.Module, features: Tensor) -> bool:
    """Whether this computes a layer faster than torch does: a wide 3x3 layer, on a CPU, in single precision."""
    return (
        isinstance(conv, nn.Conv2d)
        and features.device.type == "cpu"
        and features.dtype == torch.float32
        and (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        and conv.groups == 1
        and min(conv.in_channels, conv.out_channels) >= _NARROW
        and max(conv.in_channels, conv.out_channels) >= _WIDE
        and min(features.shape[-2:]) >= _MIN_SIDE
        and not torch.compiler.is_compiling()
    )


class FrozenConv3x3:
    """A k3s1 convolution with padding 1 whose kernel gets no gradient; gradients flow to its input.

    Args:
        conv: The layer whose current kernel and bias are used.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        kernel = conv.weight.detach()  # (K, C, 3, 3)
        self._forward_kernel = _transformed(kernel)
        # A convolution's gradient is a convolution from outputs to inputs, with the kernel turned by 180 degrees.
        self._backward_kernel = _transformed(kernel.flip(-2, -1).transpose(0, 1))
        self._bias = None if conv.bias is None else conv.bias.detach()

    def __call__(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, K, H, W)."""
        convolved: Tensor = _Convolve.apply(features, self._forward_kernel, self._backward_kernel)
        return convolved if self._bias is None else convolved + self._bias.view(1, -1, 1, 1)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, forward_kernel: Tensor, backward_kernel: Tensor) -> Tensor:
        ctx.save_for_backward(backward_kernel)
        return _convolve(features, forward_kernel)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (backward_kernel,) = ctx.saved_tensors
        return _convolve(gradient, backward_kernel), None, None


def _transformed(kernel: Tensor) -> Tensor:
    """The transform of a kernel (K, C, 3, 3): shape (36, C, K)."""
    matrix = torch.tensor(_KERNEL, dtype=torch.float64)
    transform = torch.einsum("ai,kcij,bj->abck", matrix, kernel.double(), matrix)
    return transform.flatten(0, 1).to(kernel.dtype).contiguous()


def _convolve(features: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (N, C, H, W) with a transformed kernel (36, C, K): (N, K, H, W), channels innermost in memory."""
    batch, channels, height, width = features.shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    padding = (0, 0, 1, columns * _TILE - width + 1, 1, rows * _TILE - height + 1)
    padded = functional.pad(features.permute(0, 2, 3, 1), padding).contiguous()  # (N, 4 * rows + 2, 4 * columns + 2, C)
    patches = padded.unfold(1, _PATCH, _TILE).unfold(2, _PATCH, _TILE)  # (N, rows, columns, C, 6, 6)
    patches = patches.permute(4, 5, 0, 1, 2, 3).reshape(_PATCH**2, -1)
    transformed = (_both_ways(_INPUT, features) @ patches).view(_PATCH**2, -1, channels)
    products = torch.bmm(transformed, kernel)  # (36, N * rows * columns, K)
    tiles = _both_ways(_OUTPUT, features) @ products.flatten(1)
    tiles = tiles.view(_TILE, _TILE, batch, rows, columns, -1).permute(2, 3, 0, 4, 1, 5)
    image = tiles.reshape(batch, rows * _TILE, columns * _TILE, -1)
    return image[:, :height, :width].permute(0, 3, 1, 2)


def _both_ways(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """A transform along rows and columns at once, as one matrix on flattened patches."""
    one_way = torch.tensor(matrix, dtype=like.dtype)
    return torch.kron(one_way, one_way)
