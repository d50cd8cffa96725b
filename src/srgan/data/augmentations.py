"""Augmentation of batches of HR/LR pairs: colours, mixup and CutBlur (Yoo et al. 2020, arXiv:2004.00448)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from srgan.data.degradations.number_checks import require_probability
from srgan.data.degradations.operators import on_device_of

_MIXUP_CONCENTRATION = 1.2  # of the Beta distribution that the share is drawn from; Yoo et al., table 6
_CUT_SIDE = 0.7  # of the patch, over the image's side; Yoo et al.


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Changes pairs at random, each with its own random generator.

    Args:
        colour_jitter: Largest share of a random colour that both images of a pair are blended with; 0.4 in Yoo et al.
            The blend stays in [0, 1], so that LR is still the downscaled HR.
        channel_permutation_probability: How often the channels of both images are permuted.
        mixup_probability: How often a pair is blended with the next one of its batch.
        cutblur_probability: How often a patch of LR, or all but a patch, is replaced by clean, only downscaled LR: the
            network learns what to restore and what to leave alone. Only with a degradation.
        gray_probability: How often a pair loses its colours, so that black-and-white photos are trained on too.

    Raises:
        ValueError: If a number is not in [0, 1].
    """

    colour_jitter: float = 0.0
    channel_permutation_probability: float = 0.0
    mixup_probability: float = 0.0
    cutblur_probability: float = 0.0
    gray_probability: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            require_probability(f"data.augmentation.{each.name}", getattr(self, each.name))

    def recolour(self, lr: Tensor, hr: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
        """Blend both images of each pair with the same colour, permute their channels alike, and make some pairs gray.

        Args:
            lr: Float RGB in [0, 1], shape (N, 3, h, w), downscaled from ``hr``.
            hr: Shape (N, 3, scale * h, scale * w).
            rngs: A generator for each pair.

        Returns:
            The two, changed.
        """
        from kornia.color import rgb_to_grayscale  # half a second, which most recipes need not wait for

        # All is drawn, whatever is off, so that what one option draws does not depend on the others.
        shares = [rng.uniform(0, self.colour_jitter) for rng in rngs]
        colours = np.stack([rng.random(3) for rng in rngs])
        orders = [self._order(rng) for rng in rngs]
        grays = [self._grays(rng) for rng in rngs]
        if self.channel_permutation_probability:
            order = on_device_of(hr, torch.as_tensor(np.stack(orders)))[..., None, None]
            lr, hr = (images.take_along_dim(order, dim=1) for images in (lr, hr))
        if self.colour_jitter:
            colour = on_device_of(hr, torch.as_tensor(colours).to(hr.dtype))[..., None, None]
            share = _columns(shares, hr)
            lr, hr = (torch.lerp(images, colour, share) for images in (lr, hr))
        if self.gray_probability:
            gray = _columns(grays, hr)
            lr, hr = (torch.lerp(images, rgb_to_grayscale(images), gray) for images in (lr, hr))
        return lr, hr

    def mix(
        self, lr: Tensor, hr: Tensor, clean_lr: Tensor, rngs: Sequence[np.random.Generator]
    ) -> tuple[Tensor, Tensor]:
        """CutBlur within each pair, then mixup between pairs.

        Args:
            lr: Float RGB in [0, 1], shape (N, 3, h, w).
            hr: Shape (N, 3, scale * h, scale * w).
            clean_lr: ``hr`` downscaled without degradation, same shape as ``lr``.
            rngs: A generator for each pair.

        Returns:
            LR and HR, changed.
        """
        if not self.cutblur_probability + self.mixup_probability:
            return lr, hr
        height, width = lr.shape[-2:]
        masks = np.stack([self._cut(height, width, rng) for rng in rngs])
        lr = torch.where(on_device_of(lr, torch.as_tensor(masks))[:, None], clean_lr, lr)
        share = _columns([self._share(rng) for rng in rngs], lr)
        return torch.lerp(lr, lr.roll(-1, dims=0), share), torch.lerp(hr, hr.roll(-1, dims=0), share)

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        order, chance = rng.permutation(3), rng.random()
        return order if chance < self.channel_permutation_probability else np.arange(3)

    def _grays(self, rng: np.random.Generator) -> float:
        # No draw if no pair can be gray, so that the other draws of older runs stay the same.
        return float(self.gray_probability > 0 and rng.random() < self.gray_probability)

    def _share(self, rng: np.random.Generator) -> float:
        share, chance = rng.beta(_MIXUP_CONCENTRATION, _MIXUP_CONCENTRATION), rng.random()
        return float(share) if chance < self.mixup_probability else 0.0

    def _cut(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """Where LR is replaced by clean LR: in a patch, outside it, or nowhere."""
        down, across = max(1, int(height * _CUT_SIDE)), max(1, int(width * _CUT_SIDE))
        top, left = rng.integers(height - down + 1), rng.integers(width - across + 1)
        patch = np.zeros((height, width), dtype=bool)
        patch[top : top + down, left : left + across] = True
        outside, chance = rng.random() < 0.5, rng.random()
        if chance >= self.cutblur_probability:
            return np.zeros_like(patch)
        return ~patch if outside else patch


def _columns(numbers: Sequence[float], images: Tensor) -> Tensor:
    """One number per image, in a shape to multiply with them."""
    return on_device_of(images, torch.as_tensor(numbers).to(images.dtype)).view(-1, 1, 1, 1)
