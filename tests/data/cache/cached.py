"""What the tests of the cache have in common: collections that are kept in it."""

from pathlib import Path

import torch

from srgan.data.cache.folder import DecodedCache
from srgan.data.collection import Collection
from srgan.data.photos import Photo
from srgan.data.photos.pair import read_pair

NUM_PHOTOS = 4
ENTRY_BYTES = 64 + 3 * 64 * 48 + 3 * 16 * 12


def load(found: list[Photo], cache_dir: Path, *, num_entries: float = 100, min_size: int = 32) -> Collection:
    store = DecodedCache(cache_dir, gigabytes=num_entries * ENTRY_BYTES / 1e9)
    return Collection(found, scale=4, min_size=min_size, cache=store, purpose="training")


def entries(cache_dir: Path) -> list[Path]:
    return sorted(path for path in cache_dir.iterdir() if path.name != ".lock")


def assert_as_decoded(collection: Collection) -> None:
    for index, photo in enumerate(collection.photos):
        expected = read_pair(photo, scale=collection.scale)
        assert torch.equal(collection[index].hr, expected.hr)
        assert torch.equal(collection[index].lr, expected.lr)
