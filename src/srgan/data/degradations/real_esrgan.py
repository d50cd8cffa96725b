"""The second-order degradation of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, §3).

Blur, resize, noise and JPEG, twice; finally the resize to LR's size with a sinc filter, before or after the second
JPEG. Each image draws everything from its own generator, including the resize factors, which the paper's implementation
draws once per batch: so its pool of pairs, which mixes batches, is not needed, nor its state in checkpoints. Differs
from the paper in that HR is not sharpened, and the border of the degraded crop is kept.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srgan.data.degradations.number_checks import require_probability, require_range
from srgan.data.degradations.operators import blur, jpegs
from srgan.data.degradations.random_draws import RandomBlur, RandomNoise, RandomResize, random_resize, random_sinc
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import to_float, to_uint8

_NUM_JPEGS = 2  # per image


@dataclass(frozen=True)
class Pass:
    """One of the two passes: what it draws from, and libjpeg's lowest and highest quality, from 1 to 100."""

    blur: RandomBlur
    resize: RandomResize
    noise: RandomNoise
    jpeg_quality_range: tuple[int, int]

    def __post_init__(self) -> None:
        require_range("jpeg_quality_range", self.jpeg_quality_range, lowest=1, highest=100)

    def blur_resize_noise(self, image: Tensor, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
        """Blur (1, 3, H, W), resize it to a random factor times ``size``, and add noise."""
        image = blur(image, self.blur.kernel(rng))
        factor = self.resize.factor(rng)
        return self.noise(random_resize(image, (size[0] * factor, size[1] * factor), rng), rng)

    def quality(self, rng: np.random.Generator) -> int:
        """A quality for JPEG."""
        lowest, highest = self.jpeg_quality_range
        return int(rng.integers(lowest, highest, endpoint=True))


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
        works = [self._degraded(hr[n : n + 1], scale, rng) for n, rng in enumerate(rngs)]
        wanted = [next(work) for work in works]
        for _ in range(_NUM_JPEGS):
            images, qualities = zip(*wanted, strict=True)
            coded = jpegs(images, qualities)
            wanted = [work.send(image) for work, image in zip(works, coded, strict=True)]
        clean = [rng.random() < self.clean_probability for rng in rngs]
        small = [downscale(hr[n : n + 1], scale) if clean[n] else lr for n, (lr, _) in enumerate(wanted)]
        return to_float(to_uint8(torch.cat(small)))

    def _degraded(
        self, hr: Tensor, scale: int, rng: np.random.Generator
    ) -> Generator[tuple[Tensor, int], Tensor, None]:
        """Yield an image and a quality whenever a JPEG of it is to be sent back; finally LR."""
        height, width = hr.shape[-2:]
        lr_size = (height // scale, width // scale)
        image = self.first.blur_resize_noise(hr, (height, width), rng)
        image = yield image, self.first.quality(rng)
        image = self.second.blur_resize_noise(image, lr_size, rng)
        if rng.random() < 0.5:
            image = self._filtered(random_resize(image, lr_size, rng), rng)
            lr = yield image, self.second.quality(rng)
        else:
            image = yield image, self.second.quality(rng)
            lr = self._filtered(random_resize(image, lr_size, rng), rng)
        yield lr, 0

    def _filtered(self, lr: Tensor, rng: np.random.Generator) -> Tensor:
        if rng.random() >= self.final_sinc_probability:
            return lr
        return blur(lr, random_sinc(int(rng.choice(self.second.blur.kernel_sizes)), rng, lowest_cutoff=math.pi / 3))
