"""The generator, and the discriminators to train it against."""

from srgan.networks.discriminator import Discriminator
from srgan.networks.generator import Generator
from srgan.networks.patch_discriminator import PatchDiscriminator
from srgan.networks.unet_discriminator import UNetDiscriminator

__all__ = ["Discriminator", "Generator", "PatchDiscriminator", "UNetDiscriminator"]
