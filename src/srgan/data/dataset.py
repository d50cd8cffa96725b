"""Datasets of HR/LR pairs: endless random crops for training, whole photos for validation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from srgan.data.batch_changes import degrade_by_name
from srgan.data.collection import Collection
from srgan.data.crops import NUM_ORIENTATIONS, choose_crop, crop_pair, orient
from srgan.data.degradations import Degradation
from srgan.pictures.rgb import to_float, to_uint8

_KEPT_BYTES = 256 * 2**20


class PairItem(TypedDict):
    """One sample: ``lr`` float RGB in [0, 1] (3, h, w), ``hr`` (3, scale * h, scale * w), and the photo's name."""

    lr: Tensor
    hr: Tensor
    name: str


class TrainingDataset(Dataset[PairItem]):
    """Random crops, flips and quarter turns; sample ``n`` is a pure function of (seed, n).

    So order, crops and orientations do not depend on the number of workers and processes, and a run resumed at sample
    ``n`` continues exactly. Each round of ``len(collection)`` samples has every photo once or, if photos have weights,
    as often as its share of the weights, rounded up or down.

    Args:
        collection: The photos.
        hr_crop_size: Side of the HR crop in pixels, a multiple of the scale.
        num_crop_candidates: Random windows to choose the most detailed from; 1 is a plain random crop.
        seed: The run's seed.
    """

    def __init__(self, collection: Collection, *, hr_crop_size: int, num_crop_candidates: int, seed: int) -> None:
        self._collection = collection
        self._lr_crop_size = hr_crop_size // collection.scale
        self._num_crop_candidates = num_crop_candidates
        self._seed = seed
        self._order: tuple[int, np.ndarray] | None = None  # of the last round

    def __getitem__(self, sample_number: int) -> PairItem:
        """Sample ``sample_number``, any number from 0 up."""
        index = self._photo_index(sample_number)
        pair = self._collection[index]
        lr, hr = pair.lr.numpy(), pair.hr.numpy()  # slicing takes a fraction of torch's time
        rng = np.random.default_rng((self._seed, 1, sample_number))
        top, left = choose_crop(lr, self._lr_crop_size, num_candidates=self._num_crop_candidates, rng=rng)
        orientation = int(rng.integers(NUM_ORIENTATIONS))
        crops = crop_pair(lr, hr, top=top, left=left, crop_size=self._lr_crop_size)
        lr, hr = (np.ascontiguousarray(orient(crop, orientation)) for crop in crops)
        return PairItem(
            lr=to_float(torch.from_numpy(lr)),
            hr=to_float(torch.from_numpy(hr)),
            name=self._collection.photos[index].name,
        )

    def _photo_index(self, sample_number: int) -> int:
        round_number, position = divmod(sample_number, len(self._collection))
        if self._order is None or self._order[0] != round_number:
            weights = np.array([photo.weight for photo in self._collection.photos])
            rng = np.random.default_rng((self._seed, 0, round_number))
            self._order = (round_number, draw_round(weights, rng=rng))
        return int(self._order[1][position])


def draw_round(weights: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Draw the photos of one round, as many as there are photos.

    Systematic sampling: photos are lined up in random order, each as long as its weight, and picked at equal steps from
    a random start. With equal weights each comes once, otherwise as often as its share, rounded up or down and right on
    average.

    Args:
        weights: One per photo, above 0.
        rng: Source of randomness.

    Returns:
        Indices in random order.
    """
    order = rng.permutation(len(weights))
    if (weights == weights[0]).all():
        return order
    ends = np.cumsum(weights[order])
    points = (np.arange(len(weights)) + rng.random()) * (ends[-1] / len(weights))
    picked = np.searchsorted(ends, points, side="right").clip(max=len(weights) - 1)
    return rng.permutation(order[picked])


class ValidationDataset(Dataset[PairItem]):
    """The whole photos of a collection, in order.

    Args:
        collection: The photos.
        degradation: Makes LR of photos without an LR file, the same each time; None keeps the collection's. The first
            256 MiB of it, some 90 megapixels of LR, are kept in memory.
    """

    def __init__(self, collection: Collection, degradation: Degradation | None = None) -> None:
        self._collection = collection
        self._degradation = degradation
        self._kept: dict[int, Tensor] = {}  # degraded LR, uint8: a large photo takes seconds
        self._room = _KEPT_BYTES

    def __len__(self) -> int:
        """Number of photos."""
        return len(self._collection)

    def __getitem__(self, index: int) -> PairItem:
        """Photo ``index``."""
        pair, photo = self._collection[index], self._collection.photos[index]
        hr = to_float(pair.hr).contiguous()
        lr = pair.lr
        if self._degradation is not None and photo.lr_path is None:
            lr = self._degraded(index, hr, self._degradation)
        return PairItem(lr=to_float(lr).contiguous(), hr=hr, name=photo.name)

    def _degraded(self, index: int, hr: Tensor, degradation: Degradation) -> Tensor:
        if index in self._kept:
            return self._kept[index]
        name = self._collection.photos[index].name
        lr = to_uint8(degrade_by_name(degradation, hr, scale=self._collection.scale, name=name))
        if lr.numel() <= self._room:
            self._room -= lr.numel()
            self._kept[index] = lr
        return lr


@dataclass(frozen=True, kw_only=True)
class EndlessBatches(Sampler[list[int]]):
    """Endless batches of sample numbers; the processes of a run share the samples of each step.

    Args:
        batch_size: Samples per process and step.
        start_step: Steps already done in a resumed run.
        rank: Number of this process.
        world_size: Number of processes.
    """

    batch_size: int
    start_step: int
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[list[int]]:
        """Batches from ``start_step`` on."""
        for step in count(self.start_step):
            first = (step * self.world_size + self.rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
