"""What every network must provide to be trained, tiled, blended and written."""

from typing import Any

import torch
from torch import Tensor, nn

SIXTEEN_BITS = frozenset({torch.bfloat16, torch.float16})


class AnyGenerator(nn.Module):
    """A network that maps (N, 3, h, w) to (N, 3, scale * h, scale * w), float RGB around [0, 1].

    Attributes:
        scale: How many times larger the output is.
    """

    scale: int

    @property
    def config(self) -> dict[str, Any]:
        """The architecture as plain values; two networks whose ``config`` is equal have the same tensors."""
        raise NotImplementedError

    @property
    def receptive_radius(self) -> int:
        """How many input pixels to each side an output pixel depends on: the margin of a tile."""
        raise NotImplementedError

    @property
    def leak(self) -> float:
        """By how much, in [0, 1], tiles with that margin differ from the whole picture; 0 if by less than half a level.

        Other than 0 for networks that look at the whole picture.
        """
        return 0.0

    def num_bytes(self, num_pixels: int) -> float:
        """Device memory that an image of that many input pixels takes at the peak, in float32."""
        raise NotImplementedError

    @property
    def alignment(self) -> int:
        """Tiles must begin at multiples of this many input pixels, so that attention windows stay aligned."""
        return 1

    @property
    def sixteen_bit_types(self) -> frozenset[torch.dtype]:
        """The 16-bit types that the network can be computed in."""
        return SIXTEEN_BITS

    @property
    def carries_picture(self) -> bool:
        """Whether the picture itself bypasses the network in float32, so that bfloat16 is not visible."""
        return False

    def native_state(self) -> dict[str, Tensor]:
        """The tensors under the names that other programs know the architecture by."""
        return dict(self.state_dict())
