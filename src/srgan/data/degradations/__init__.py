"""How LR is made from HR other than by bicubic: with blur and noise, or as in Real-ESRGAN."""

from srgan.data.degradations.classical import ClassicalDegradation, Degradation
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
]
