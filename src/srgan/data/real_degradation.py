"""The second-order degradation of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, §3), each picture by settings of its own.

Blur, resize, noise and JPEG, twice; at last the resize to LR's size with a sinc filter, before or behind the second JPEG.
Every draw of a picture comes from that picture's generator, factors of size included, which the paper's implementation
draws for whole batches; so there is no need for its pool of pairs, which mixes batches, nor for a pool's state in
checkpoints. Differs from the paper in one more point: HR is not sharpened.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srgan.data.kernels import identity, padded
from srgan.data.operators import blur, jpeg
from srgan.data.random_operators import RandomBlur, RandomNoise, RandomResize, random_resize, random_sinc
from srgan.images import to_float, to_uint8


@dataclass(frozen=True)
class Pass:
    """One of the two rounds: what it draws, and libjpeg's quality from and to."""

    blur: RandomBlur
    resize: RandomResize
    noise: RandomNoise
    jpeg_quality_range: Sequence[int]


class RealDegradation:
    """LR as photos from the wild are: blurred, resized, noisy and compressed, twice.

    Args:
        first: The first round; its factors of size are of HR's.
        second: The second; its factors are of LR's size.
        final_sinc_probability: How often the last step has a sinc filter.
    """

    def __init__(self, *, first: Pass, second: Pass, final_sinc_probability: float) -> None:
        self._first = first
        self._second = second
        self._final_sinc_probability = final_sinc_probability

    @torch.no_grad()
    def __call__(self, hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
        """As ``srgan.data.degradations.Degradation`` has it."""
        height, width = hr.shape[-2] // scale, hr.shape[-1] // scale
        images = list(blur(hr, self._kernels(self._first, rngs)).split(1))
        images = self._resized(self._first, images, (hr.shape[-2], hr.shape[-1]), rngs)
        images = self._noisy(self._first, images, rngs)
        images = jpeg(images, self._qualities(self._first, rngs))
        kernels = self._kernels(self._second, rngs).split(1)
        images = [blur(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        images = self._resized(self._second, images, (height, width), rngs)
        images = self._noisy(self._second, images, rngs)
        return to_float(to_uint8(self._finished(images, (height, width), rngs)))

    def _finished(self, images: list[Tensor], size: tuple[int, int], rngs: Sequence[np.random.Generator]) -> Tensor:
        """The second JPEG, and the resize to LR's size with the sinc filter, in either order."""
        qualities = self._qualities(self._second, rngs)
        jpeg_comes_first = [bool(rng.random() < 0.5) for rng in rngs]
        images = _jpeg_of(images, qualities, jpeg_comes_first)
        lr = torch.cat([random_resize(image, size, rng) for image, rng in zip(images, rngs, strict=True)])
        filtered = list(blur(lr, torch.stack([self._final_kernel(rng) for rng in rngs])).split(1))
        return torch.cat(_jpeg_of(filtered, qualities, [not first for first in jpeg_comes_first]))

    def _final_kernel(self, rng: np.random.Generator) -> Tensor:
        sizes = self._second.blur.kernel_sizes
        if rng.random() >= self._final_sinc_probability:
            return identity(max(sizes))
        return padded(random_sinc(int(rng.choice(sizes)), rng, lowest_cutoff=math.pi / 3), max(sizes))

    @staticmethod
    def _kernels(round_: Pass, rngs: Sequence[np.random.Generator]) -> Tensor:
        return torch.stack([round_.blur.kernel(rng) for rng in rngs])

    @staticmethod
    def _resized(
        round_: Pass, images: Sequence[Tensor], size: tuple[int, int], rngs: Sequence[np.random.Generator]
    ) -> list[Tensor]:
        """Each picture at a size of its own, a factor times ``size``."""
        factors = [round_.resize.factor(rng) for rng in rngs]
        return [
            random_resize(image, (size[0] * factor, size[1] * factor), rng)
            for image, factor, rng in zip(images, factors, rngs, strict=True)
        ]

    @staticmethod
    def _noisy(round_: Pass, images: Sequence[Tensor], rngs: Sequence[np.random.Generator]) -> list[Tensor]:
        return [round_.noise(image, rng) for image, rng in zip(images, rngs, strict=True)]

    @staticmethod
    def _qualities(round_: Pass, rngs: Sequence[np.random.Generator]) -> list[int]:
        return [int(rng.integers(*round_.jpeg_quality_range, endpoint=True)) for rng in rngs]


def _jpeg_of(images: list[Tensor], qualities: Sequence[int], chosen: Sequence[bool]) -> list[Tensor]:
    """The chosen pictures compressed, the others as they are."""
    which = [number for number, choice in enumerate(chosen) if choice]
    coded = dict(zip(which, jpeg([images[n] for n in which], [qualities[n] for n in which]), strict=True))
    return [coded.get(number, image) for number, image in enumerate(images)]
