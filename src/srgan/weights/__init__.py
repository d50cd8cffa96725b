"""Files of generators and checkpoints: read safely, checked, blended, written."""

from srgan.weights.checkpoint_file import WeightsError, check_fits, read_checkpoint, resolve_checkpoint
from srgan.weights.discriminator_file import load_into_discriminator, save_discriminator
from srgan.weights.fitting import blend, generator_from_file, load_into
from srgan.weights.generator_file import (
    SHIPPED,
    TRAINED_ON_FROM,
    load_generator,
    read_metadata,
    resolve,
    save_generator,
)
from srgan.weights.hub import HUB_FILE

__all__ = [
    "HUB_FILE",
    "SHIPPED",
    "TRAINED_ON_FROM",
    "WeightsError",
    "blend",
    "check_fits",
    "generator_from_file",
    "load_generator",
    "load_into",
    "load_into_discriminator",
    "read_checkpoint",
    "read_metadata",
    "resolve",
    "resolve_checkpoint",
    "save_discriminator",
    "save_generator",
]
