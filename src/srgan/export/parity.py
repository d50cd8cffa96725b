"""What is written is compared with the generator it was made from, on sizes that are easily got wrong."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from srgan.networks import AnyGenerator

# Batch, height and width: single pixels, lines, odd ones, and one with an inside.
AWKWARD = ((1, 1, 1), (1, 1, 7), (1, 6, 1), (2, 2, 3), (3, 5, 5), (1, 17, 33), (2, 40, 24))
EXAMPLE = (2, 3, 7, 9)  # what tracing sees; no two sides alike, and none of 1, which is a special case to some

Network = Callable[[Tensor], Tensor]


class ExportError(ValueError):
    """A generator cannot be exported; the message says why and what to do."""


class Clamped(nn.Module):
    """A generator whose pictures stay in [0, 1], as a program that shows them expects."""

    def __init__(self, generator: AnyGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), both in [0, 1]."""
        sr: Tensor = self.generator(lr).clamp(0, 1)
        return sr


@torch.no_grad()
def largest_difference(
    network: Network, reference: Network, *, sizes: Sequence[tuple[int, int, int]] = AWKWARD
) -> float:
    """The largest difference of two networks' pictures; NaN where a picture is not finite.

    Args:
        network: The one.
        reference: The other.
        sizes: Of the pictures to compare, (N, h, w); by default awkward ones.

    Raises:
        ExportError: If a picture is of another size.
    """
    noise = torch.Generator().manual_seed(0)
    largest = torch.tensor(0.0)
    for batch, height, width in sizes:
        lr = torch.rand(batch, 3, height, width, generator=noise)
        sr, expected = network(lr), reference(lr)
        if sr.shape != expected.shape:
            raise ExportError(
                f"Expected an output of {tuple(expected.shape)} for {tuple(lr.shape)}, got {tuple(sr.shape)}."
            )
        largest = torch.maximum(largest, (sr - expected).abs().max())
    return float(largest)
