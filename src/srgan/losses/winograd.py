"""3x3 convolutions with frozen kernels by Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications.

A 6x6 patch of the input and the kernel are transformed; their product, entry by entry and summed over channels, is the
transform of 4x4 outputs. Kernels that never change are transformed once. It is exact algebra, with a rounding error
a few times that of the direct sum. It pays off on CPUs for wide layers (docs/performance.md); GPU libraries include it.

Reference: Lavin and Gray 2016, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from typing_extensions import Self

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


def speed_up(features: nn.Sequential) -> nn.Sequential:
    """A frozen network's layers, those that are wide enough computed by ``FrozenConv2d``; weights and names stay."""
    return nn.Sequential(*(FrozenConv2d.of(layer) if _is_wide(layer) else layer for layer in features))


def _is_wide(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        isinstance(layer, nn.Conv2d)
        and (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        and layer.groups == 1
        and min(layer.in_channels, layer.out_channels) >= _NARROW
        and max(layer.in_channels, layer.out_channels) >= _WIDE
    )


class FrozenConv2d(nn.Conv2d):
    """A k3s1 convolution with padding 1 whose kernel gets no gradient; gradients flow to its input.

    On CPUs, in single precision and for features of some size, by Winograd's algorithm; else by torch's.
    """

    _kernels: tuple[Tensor, Tensor] | None = None  # transformed, for the way forward and the way back

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "FrozenConv2d":
        """The layer that computes the same with the same parameters.

        Args:
            conv: A layer of kernel 3, stride 1 and padding 1.
        """
        layer = cls(conv.in_channels, conv.out_channels, 3, padding=1, bias=conv.bias is not None, device="meta")
        layer.weight, layer.bias = conv.weight, conv.bias
        return layer.requires_grad_(False)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, K, H, W)."""
        if not self._pays(input):
            return super().forward(input)
        if self._kernels is None:
            with torch.inference_mode(False):  # where a validation comes first: training needs them as well
                # A convolution's gradient is one from outputs to inputs, with the kernel turned by 180 degrees.
                turned = self.weight.flip(-2, -1).transpose(0, 1)
                self._kernels = _transformed(self.weight), _transformed(turned)
        convolved: Tensor = _Convolve.apply(input, *self._kernels)
        return convolved if self.bias is None else convolved + self.bias.view(1, -1, 1, 1)

    def _pays(self, input: Tensor) -> bool:
        return (
            input.device.type == "cpu"
            and input.dtype == self.weight.dtype == torch.float32
            and min(input.shape[-2:]) >= _MIN_SIDE
            and not torch.compiler.is_compiling()
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Self":
        self._kernels = None  # they were built from weights on another device or of another type
        return cast("Self", super()._apply(fn, recurse))  # type: ignore[no-untyped-call]


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
