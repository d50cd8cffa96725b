"""A network of any architecture with our interface: inputs of any size, and a measured margin for tiles."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.networks.any_generator import AnyGenerator
from srgan.networks.peak import Peak, measure_peak
from srgan.networks.reach import HALF_A_LEVEL, Reach, measure_reach


class Adapted(AnyGenerator):
    """Wraps a network, pads inputs that it cannot take, and measures how far it looks when that is first needed.

    Args:
        model: The network.
        architecture: Its name.
        tags: Its size, such as ``64nf``.
        scale: How many times larger its output is; 1 for one that restores.
        multiple_of: The sides of its input must be multiples of this.
        minimum: And at least this long.
        square: And of equal length.
        sixteen_bit_types: The 16-bit types that it can be computed in.
        call: How to call the network with an image, if it does not simply return an image.
        find_reach: Measures this network, or looks up the result.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        architecture: str,
        tags: tuple[str, ...] = (),
        scale: int,
        multiple_of: int = 1,
        minimum: int = 1,
        square: bool = False,
        sixteen_bit_types: frozenset[torch.dtype] = frozenset(),
        call: Callable[[nn.Module, Tensor], Tensor] | None = None,
        find_reach: Callable[["Adapted"], Reach] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.scale = model, scale
        self.architecture, self.tags = architecture, tags
        self.multiple_of, self.minimum, self.square = multiple_of, minimum, square
        self._sixteen_bit_types, self._call, self._find_reach = sixteen_bit_types, call, find_reach
        self._reach: Reach | None = None
        self._peak: Peak | None = None

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w), not clamped."""
        height, width = lr.shape[-2:]
        padded = self._padded(lr)
        sr: Tensor = self.model(padded) if self._call is None else self._call(self.model, padded)
        return sr[..., : height * self.scale, : width * self.scale]

    @property
    def config(self) -> dict[str, Any]:
        """What distinguishes this architecture from others."""
        return {"architecture": self.architecture, "scale": self.scale, "tags": list(self.tags)}

    @property
    def receptive_radius(self) -> int:
        """The margin beyond which a tile's edge moves no value by half a level of 255, as measured on noise."""
        return self.reach.radius

    @property
    def alignment(self) -> int:
        """As measured; 1 for networks of convolutions."""
        return self.reach.alignment

    @property
    def reach(self) -> Reach:
        """How far the network looks; measured when it is first needed."""
        if self._reach is None:
            self._reach = measure_reach(self, scale=self.scale) if self._find_reach is None else self._find_reach(self)
        return self._reach

    @property
    def leak(self) -> float:
        """As measured; 0 if less than half a level of 255."""
        return self.reach.leak if self.reach.leak >= HALF_A_LEVEL else 0.0

    def num_bytes(self, num_pixels: int) -> float:
        """As measured on two small images, when it is first needed."""
        if self._peak is None:
            self._peak = measure_peak(self)
        return self._peak.num_bytes(num_pixels)

    @property
    def sixteen_bit_types(self) -> frozenset[torch.dtype]:
        """Those that spandrel, or the caller, says it supports."""
        return self._sixteen_bit_types

    def native_state(self) -> dict[str, Tensor]:
        """The wrapped network's own tensors."""
        return dict(self.model.state_dict())

    def train(self, mode: bool = True) -> "Adapted":
        """Switch the mode; before training, measurements of the current weights are forgotten."""
        super().train(mode)
        if mode:
            self._reach = self._find_reach = None
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Adapted":
        """A copy with tensors of its own; functions are shared."""
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        shared = {"_call", "_find_reach"}
        for name, value in self.__dict__.items():
            twin.__dict__[name] = value if name in shared else copy.deepcopy(value, memo)
        return twin

    def _padded(self, lr: Tensor) -> Tensor:
        """Mirrored on the right and at the bottom to a size that the network can take."""
        sides = [max(-(-side // self.multiple_of) * self.multiple_of, self.minimum) for side in lr.shape[-2:]]
        if self.square:
            sides = [max(sides)] * 2
        for dim, wanted in ((-2, sides[0]), (-1, sides[1])):
            while (missing := wanted - lr.shape[dim]) > 0:
                length = lr.shape[dim]
                step = min(missing, length - 1) if length > 1 else missing
                padding = (0, step, 0, 0) if dim == -1 else (0, 0, 0, step)
                lr = functional.pad(lr, padding, mode="reflect" if length > 1 else "replicate")
        return lr
