"""The losses of SRGAN: pure functions, thin modules around them, and the generator's weighted sum."""

from srgan.losses.adversarial import adversarial_loss, discriminator_loss
from srgan.losses.content import ContentLoss
from srgan.losses.generator import GeneratorLoss
from srgan.losses.perceptual import PerceptualLoss
from srgan.losses.pixel import PixelCriterion, pixel_loss
from srgan.losses.vgg_weights import NoVggWeightsError

__all__ = [
    "ContentLoss",
    "GeneratorLoss",
    "NoVggWeightsError",
    "PerceptualLoss",
    "PixelCriterion",
    "adversarial_loss",
    "discriminator_loss",
    "pixel_loss",
]
