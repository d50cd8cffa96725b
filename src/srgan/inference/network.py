"""What can be computed in tiles: a generator, or one wrapped by something that knows how far it looks itself."""

from typing import TypeAlias

import torch
from torch import nn

from srgan.networks import Generator
from srgan.networks.folding import fold_batchnorm


class Wrapper(nn.Module):
    """A network around another: enlarges with it and adds something, in the same mode and on the same device."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.network = network
        self.train(network.training)

    @property
    def generator(self) -> Generator:
        """The innermost network."""
        return self.network if isinstance(self.network, Generator) else self.network.generator

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        return self.network.scale

    @property
    def receptive_radius(self) -> int:
        """How many input pixels to each side an output pixel can depend on."""
        return self.network.receptive_radius


Network: TypeAlias = Generator | Wrapper


def for_inference(generator: Generator) -> Generator:
    """The same function, faster: without BatchNorm layers, and with its channels innermost in memory.

    Args:
        generator: A network in evaluation mode.

    Returns:
        A generator whose outputs are the same but for rounding. It may share its weights with ``generator``.
    """
    return fold_batchnorm(generator).to(memory_format=torch.channels_last)
