"""What makes a low-resolution picture of a photo: bicubic, blurred and noisy, or as Real-ESRGAN does it."""

from srgan.data.degradations.classical import ClassicalDegradation, Degradation, bicubic
from srgan.data.degradations.random_draws import RandomBlur, RandomNoise, RandomResize
from srgan.data.degradations.real_esrgan import Pass, RealDegradation

__all__ = [
    "ClassicalDegradation",
    "Degradation",
    "Pass",
    "RandomBlur",
    "RandomNoise",
    "RandomResize",
    "RealDegradation",
    "bicubic",
]
