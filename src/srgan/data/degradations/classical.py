"""What a degradation is, and the classical one of blind super-resolution: blur, bicubic, noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from srgan.data.degradations import operators
from srgan.data.degradations.number_checks import require_range
from srgan.data.degradations.random_draws import RandomBlur, random_seed, uniform
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import to_float, to_uint8


class Degradation(Protocol):
    """Makes LR from HR at random."""

    def __call__(self, hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
        """Degrade images, each with draws from its own generator only.

        Args:
            hr: Float RGB in [0, 1], shape (N, 3, scale * h, scale * w), on any device.
            scale: Factor.
            rngs: A generator per image.

        Returns:
            Float RGB in [0, 1], rounded to 8 bits as in files, shape (N, 3, h, w).
        """


@dataclass(frozen=True, kw_only=True)
class ClassicalDegradation:
    """Random blur, MATLAB-convention bicubic, then Gaussian noise: the classical model of blind super-resolution.

    Args:
        blur: Draws the kernels.
        noise_sigma_range: Standard deviation of the noise, in levels of 255.

    Raises:
        ValueError: If the range is not two ordered numbers of 0 or more.
    """

    blur: RandomBlur
    noise_sigma_range: Sequence[float]

    def __post_init__(self) -> None:
        require_range("data.degradation.noise_sigma_range", self.noise_sigma_range, lowest=0)

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
        """See ``Degradation``."""
        kernels, noises = zip(*((self.blur.kernel(rng), self._noise(rng)) for rng in rngs), strict=True)
        blurred = operators.blur(torch.split(hr, 1), kernels)
        noisy = operators.add_noise(torch.split(downscale(torch.cat(blurred), scale), 1), noises)
        return to_float(to_uint8(torch.cat(noisy)))

    def _noise(self, rng: np.random.Generator) -> operators.Noise:
        strength = uniform(self.noise_sigma_range, rng) / 255
        return operators.Noise(gaussian=True, gray=False, strength=strength, seed=random_seed(rng))
