"""The two networks of SRGAN."""

from srgan.networks.discriminator import Discriminator
from srgan.networks.generator import Generator

__all__ = ["Discriminator", "Generator"]
