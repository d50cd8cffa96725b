"""Degradation and augmentation of whole batches on the training device; a resumed run repeats their draws."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from srgan.data.augmentations import Augmentation
from srgan.data.degradations import Degradation
from srgan.pictures.rgb import to_float, to_uint8

_DEGRADATION, _AUGMENTATION, _VALIDATION = 2, 3, 4  # random streams; 0 and 1 are the dataset's order and crops


class BatchChanges:
    """Degrades and augments training batches; the draws for sample ``n`` depend on (seed, n) only.

    Args:
        degradation: Makes new LR; None keeps the given one.
        augmentation: Changes pairs; None leaves them unchanged.
        scale: Size of HR over size of LR.
        seed: The run's seed.

    Raises:
        ValueError: If CutBlur is set without a degradation, or one of the two is a dict of settings without a class to
            build.
    """

    def __init__(
        self, degradation: Degradation | None, augmentation: Augmentation | None, *, scale: int, seed: int
    ) -> None:
        for name, value in (("degradation", degradation), ("augmentation", augmentation)):
            if isinstance(value, Mapping):
                raise ValueError(
                    f"Expected data.{name} to be built by an option of conf/data/{name}, got only settings: {value}."
                    f" Choose an option that has them (data/{name}=…), or set data.{name}=null for none."
                )
        if augmentation is not None and augmentation.cutblur_probability and degradation is None:
            raise ValueError(
                "Expected data/degradation=classical or real if data.augmentation.cutblur_probability is above 0:"
                " CutBlur puts clean patches into degraded images."
            )
        self._degradation = degradation
        self._augmentation = augmentation
        self._scale = scale
        self._seed = seed

    def __call__(self, batch: dict[str, Any], *, first_sample: int) -> dict[str, Any]:
        """Return the changed batch, whose samples are numbered from ``first_sample``; the given one stays unchanged."""
        lr, hr = batch["lr"], batch["hr"]
        numbers = range(first_sample, first_sample + len(hr))
        rngs = []
        if self._augmentation is not None:
            rngs = [np.random.default_rng((self._seed, _AUGMENTATION, number)) for number in numbers]
            lr, hr = (_rounded(images) for images in self._augmentation.recolour(lr, hr, rngs))
        clean_lr = lr
        if self._degradation is not None:
            draws = [np.random.default_rng((self._seed, _DEGRADATION, number)) for number in numbers]
            lr = self._degradation(hr.float(), scale=self._scale, rngs=draws)
        if self._augmentation is not None:
            mixed_lr, mixed_hr = self._augmentation.mix(lr, hr, clean_lr, rngs)
            # What has not changed since it was rounded need not be again.
            lr, hr = (new if new is old else _rounded(new) for new, old in ((mixed_lr, clean_lr), (mixed_hr, hr)))
        return {**batch, "lr": lr.to(batch["lr"]), "hr": hr.to(batch["hr"])}  # in the run's precision


def degrade_by_name(degradation: Degradation, hr: Tensor, *, scale: int, name: str) -> Tensor:
    """Degrade a validation photo; the draws depend on its name only, so that validations and runs can be compared.

    Args:
        degradation: Makes LR.
        hr: Float RGB in [0, 1], shape (3, scale * h, scale * w).
        scale: Factor.
        name: The photo's.

    Returns:
        Shape (3, h, w).
    """
    number = int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big")
    return degradation(hr[None], scale=scale, rngs=[np.random.default_rng((_VALIDATION, number))])[0]


def _rounded(images: Tensor) -> Tensor:
    """Round to 8 bits, like images from files."""
    return to_float(to_uint8(images))
