"""What can be computed in tiles: a generator, or one wrapped by something that knows how far it looks itself."""

from copy import deepcopy
from typing import TypeAlias

import torch
from torch import nn

from srgan.inference.fused import fuse_
from srgan.networks import AnyGenerator, Generator
from srgan.networks.folding import fold_batchnorm


class Wrapper(nn.Module):
    """A network around another: enlarges with it and adds something, in the same mode and on the same device."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.network = network
        self.train(network.training)

    @property
    def generator(self) -> AnyGenerator:
        """The innermost network."""
        return self.network if isinstance(self.network, AnyGenerator) else self.network.generator

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        return self.network.scale

    @property
    def receptive_radius(self) -> int:
        """How many input pixels to each side an output pixel can depend on."""
        return self.network.receptive_radius

    @property
    def alignment(self) -> int:
        """The input pixels at whose multiples a tile has to begin."""
        return self.network.alignment

    @property
    def leak(self) -> float:
        """By how much tiles differ from the whole picture; 0 if by less than half a level."""
        return self.network.leak

    def num_bytes(self, num_pixels: int) -> float:
        """Device memory that an image of that many input pixels takes at the peak, in float32."""
        return self.network.num_bytes(num_pixels)


Network: TypeAlias = AnyGenerator | Wrapper


def for_inference(generator: AnyGenerator) -> AnyGenerator:
    """The same function, faster: no BatchNorm, channels innermost in memory, fewer passes over the activations.

    Args:
        generator: A network in evaluation mode; stays as it is.

    Returns:
        A generator of its own whose outputs are the same but for rounding; for inference alone.
    """
    fast = deepcopy(generator)
    if isinstance(fast, Generator):
        fast = fuse_(fold_batchnorm(fast))
    return fast.to(memory_format=torch.channels_last)
