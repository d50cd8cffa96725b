"""The generator, and the discriminators to train it against."""

from srgan.networks.adapted import Adapted
from srgan.networks.any_generator import AnyGenerator
from srgan.networks.compact import compact
from srgan.networks.discriminator import Discriminator
from srgan.networks.generator import Generator
from srgan.networks.patch_discriminator import PatchDiscriminator
from srgan.networks.rrdb import rrdb
from srgan.networks.unet_discriminator import UNetDiscriminator

__all__ = [
    "Adapted",
    "AnyGenerator",
    "Discriminator",
    "Generator",
    "PatchDiscriminator",
    "UNetDiscriminator",
    "compact",
    "rrdb",
]
