"""The second-order degradation of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, §3).

Blur, resize, noise and JPEG, twice; finally the resize to LR's size with a sinc filter, before or after the second
JPEG. Each image draws everything from its own generator, including the resize factors, which the paper's implementation
draws once per batch: so its pool of pairs, which mixes batches, is not needed, nor its state in checkpoints. Differs
from the paper in that HR is not sharpened, and the border of the degraded crop is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srgan.data.degradations.kernels import identity
from srgan.data.degradations.number_checks import require_probability, require_range
from srgan.data.degradations.operators import Noise, add_noise, blur, jpegs, resize
from srgan.data.degradations.random_draws import RandomBlur, RandomNoise, RandomResize, random_mode, random_sinc
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import to_float, to_uint8


class PassDraws(NamedTuple):
    """What a pass does to an image before JPEG."""

    kernel: Tensor
    factor: float
    mode: str
    noise: Noise


@dataclass(frozen=True)
class Pass:
    """One of the two passes: what it draws from, and libjpeg's lowest and highest quality, from 1 to 100."""

    blur: RandomBlur
    resize: RandomResize
    noise: RandomNoise
    jpeg_quality_range: tuple[int, int]

    def __post_init__(self) -> None:
        require_range("jpeg_quality_range", self.jpeg_quality_range, lowest=1, highest=100)

    def draws(self, rng: np.random.Generator) -> PassDraws:
        """Settings for an image."""
        return PassDraws(self.blur.kernel(rng), self.resize.factor(rng), random_mode(rng), self.noise.noise(rng))

    def quality(self, rng: np.random.Generator) -> int:
        """A quality for JPEG."""
        lowest, highest = self.jpeg_quality_range
        return int(rng.integers(lowest, highest, endpoint=True))


class _Draws(NamedTuple):
    """All that is done to an image, in the order in which it is drawn."""

    first: PassDraws
    first_quality: int
    second: PassDraws
    jpeg_last: bool
    mode: str  # of the resize to LR's size
    sinc: Tensor  # after it
    second_quality: int
    clean: bool


@dataclass(frozen=True, kw_only=True)
class RealDegradation:
    """LR like photos from the internet: blurred, resized, noisy and compressed, twice.

    Args:
        first: The first pass; its resize factors are relative to HR's size.
        second: The second pass; its factors are relative to LR's size.
        final_sinc_probability: How often a sinc filter follows the last resize.
        clean_probability: How often an image is only made small by bicubic: a network that never sees a clean image
            takes fine texture for noise.

    Raises:
        ValueError: If a probability is not in [0, 1].
    """

    first: Pass
    second: Pass
    final_sinc_probability: float
    clean_probability: float

    def __post_init__(self) -> None:
        require_probability("data.degradation.final_sinc_probability", self.final_sinc_probability)
        require_probability("data.degradation.clean_probability", self.clean_probability)

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
        """See ``srgan.data.degradations.Degradation``."""
        draws = [self._draws(rng) for rng in rngs]
        clean = [n for n, each in enumerate(draws) if each.clean]
        spoilt = [n for n, each in enumerate(draws) if not each.clean]
        degraded = _degraded([hr[n : n + 1] for n in spoilt], [draws[n] for n in spoilt], scale)
        small = dict(zip(spoilt, degraded, strict=True))
        if clean:
            bicubic = downscale(torch.cat([hr[n : n + 1] for n in clean]), scale)
            small |= dict(zip(clean, torch.split(bicubic, 1), strict=True))
        return to_float(to_uint8(torch.cat([small[n] for n in range(len(draws))])))

    def _draws(self, rng: np.random.Generator) -> _Draws:
        first, first_quality = self.first.draws(rng), self.first.quality(rng)
        second = self.second.draws(rng)
        jpeg_last = bool(rng.random() < 0.5)
        quality_before = 0 if jpeg_last else self.second.quality(rng)
        mode, sinc = random_mode(rng), self._final_sinc(rng)
        quality = self.second.quality(rng) if jpeg_last else quality_before
        clean = bool(rng.random() < self.clean_probability)
        return _Draws(first, first_quality, second, jpeg_last, mode, sinc, quality, clean)

    def _final_sinc(self, rng: np.random.Generator) -> Tensor:
        if rng.random() >= self.final_sinc_probability:
            return identity()
        return random_sinc(int(rng.choice(self.second.blur.kernel_sizes)), rng, lowest_cutoff=math.pi / 3)


def _degraded(images: Sequence[Tensor], draws: Sequence[_Draws], scale: int) -> list[Tensor]:
    """LR of images of one size."""
    if not images:
        return []
    height, width = images[0].shape[-2:]
    lr_size = (height // scale, width // scale)
    images = _passed(images, [each.first for each in draws], (height, width))
    images = jpegs(images, [each.first_quality for each in draws])
    images = _passed(images, [each.second for each in draws], lr_size)
    images = _at_last(images, draws, lr_size, jpeg_last=True)
    images = jpegs(images, [each.second_quality for each in draws])
    return _at_last(images, draws, lr_size, jpeg_last=False)


def _passed(images: Sequence[Tensor], draws: Sequence[PassDraws], size: tuple[int, int]) -> list[Tensor]:
    """Blur images, resize them to their factors times ``size``, and add noise."""
    images = blur(images, [each.kernel for each in draws])
    sizes = [(size[0] * each.factor, size[1] * each.factor) for each in draws]
    return add_noise(resize(images, sizes, [each.mode for each in draws]), [each.noise for each in draws])


def _at_last(
    images: Sequence[Tensor], draws: Sequence[_Draws], size: tuple[int, int], *, jpeg_last: bool
) -> list[Tensor]:
    """Resize to a size and filter those images alone for which JPEG comes last, or not."""
    due = [each.jpeg_last == jpeg_last for each in draws]
    sizes = [size if now else (image.shape[-2], image.shape[-1]) for now, image in zip(due, images, strict=True)]
    images = resize(images, sizes, [each.mode for each in draws])
    return blur(images, [each.sinc if now else identity() for now, each in zip(due, draws, strict=True)])
