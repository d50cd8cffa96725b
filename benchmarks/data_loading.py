"""Crop pairs a second from the decoded cache, and what the cache costs: python -m benchmarks.data_loading.

Forty PNGs of 2 megapixels with texture. Decoding them all in threads is held against building the cache from nothing;
crop pairs of 96 pixels from the cache, through the training loader with its crop candidates, turns and batches, against
decoding a PNG, cutting one crop and shrinking that crop alone, as loaders without a cache do. Then the same crops from
a small and a large picture, and the memory of a process that crops all over a collection of five gigabytes.
"""

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks.shared.measure import (
    current_mb,
    interleaved,
    median_ratio,
    parse,
    peak_mb,
    run_python,
    save,
    table,
    timed,
)
from srgan.data.cache.folder import DecodedCache
from srgan.data.collection import Collection
from srgan.data.dataset import EndlessBatches, TrainingDataset
from srgan.data.photos import Photo, find_photos
from srgan.pictures.resize import downscale_pixels as bicubic
from srgan.pictures.rgb import read_rgb8, to_float

CROP_SIZE, SCALE, BATCH_SIZE, NUM_CANDIDATES = 96, 4, 16, 4
_TWO_MEGAPIXELS = (1224, 1632)
_SIZES = {"1 Mpix": (1000, 1000), "50 Mpix": (6120, 8160)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_photos, size = (4, (240, 320)) if options.quick else (40, _TWO_MEGAPIXELS)
        photos = _make_photos(folder / "photos", num_photos, size)
        figures = _measure(photos, folder, quick=options.quick)
        figures["by_size"] = _by_size(folder, quick=options.quick)
        gigabytes, mpix = (0.02, 0.1) if options.quick else (5, 2)
        figures["memory"] = json.loads(
            run_python("-m", "benchmarks.data_loading", "--worker", name, str(gigabytes), str(mpix)).stdout
        )
    loaders = [[f"{workers} workers", rate] for workers, rate in figures["pairs_per_second"].items()]
    table("Crop pairs of 96 px a second", ["", "pairs/s"], [*loaders, ["decode and crop", figures["decode_and_crop"]]])
    rows = [
        ["pairs/s from one process", figures["pairs_per_second"]["0"], ">= 2000"],
        ["times decode and crop", figures["times_decode_and_crop"], ">= 30"],
        ["building over decoding all", figures["build_over_decode"], "<= 1.3"],
        ["crop of 50 over 1 Mpix", figures["by_size"]["ratio"], "about 1"],
        [f"MiB more for {figures['memory']['gigabytes']:.2g} GB", figures["memory"]["mib_more"], "< 200"],
    ]
    table("Decoded cache", ["", "measured", "wanted"], rows)
    save("data_loading", figures, options)


def textured(size: tuple[int, int], *, seed: int) -> Image.Image:
    """A picture with edges and noise at all scales, whose PNG is about as large as a photo's."""
    height, width = size
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell, share in ((2, 0.12), (8, 0.2), (32, 0.3), (128, 0.38)):
        coarse = rng.integers(0, 256, (height // cell + 1, width // cell + 1, 3), dtype=np.uint8)
        total += share * np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def _make_photos(folder: Path, number: int, size: tuple[int, int]) -> list[Photo]:
    folder.mkdir()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda seed: textured(size, seed=seed).save(folder / f"{seed:02d}.png"), range(number)))
    return find_photos(folder)


def load(photos: Sequence[Photo], cache_dir: Path) -> Collection:
    """A collection in a cache of its own."""
    cache = DecodedCache(cache_dir, gigabytes=1000)
    return Collection(photos, scale=SCALE, min_size=CROP_SIZE, cache=cache, purpose="training")


def _measure(photos: Sequence[Photo], folder: Path, *, quick: bool) -> dict[str, Any]:
    collection = load(photos, folder / "kept")
    num_batches = 4 if quick else 100
    paths = [photo.hr_path for photo in photos]
    measurements: dict[str, Callable[[], float]] = {
        "decode all": timed(lambda: _decode_all(paths)),
        "build": lambda: _seconds_to_build(photos, folder / "built"),
        "decode and crop": lambda: _seconds_of_decoded_crop(paths[: 2 if quick else 10]),
        **{
            str(workers): lambda workers=workers: _seconds_of_pair(collection, num_batches, workers)  # type: ignore[misc]
            for workers in (0, 1, 2)
        },
    }
    taken = interleaved(measurements, rounds=2)
    median = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return {
        "photos": len(photos),
        "pairs_per_second": {workers: 1 / median[workers] for workers in ("0", "1", "2")},
        "decode_and_crop": 1 / median["decode and crop"],
        "times_decode_and_crop": median_ratio(taken["decode and crop"], taken["0"]),
        "build_over_decode": median_ratio(taken["build"], taken["decode all"]),
        "seconds": taken,
    }


def _decode_all(paths: Sequence[Path]) -> None:
    with ThreadPoolExecutor(torch.multiprocessing.cpu_count()) as pool:
        for _ in pool.map(lambda path: read_rgb8(path).shape, paths):
            pass


def _seconds_to_build(photos: Sequence[Photo], cache_dir: Path) -> float:
    seconds = timed(lambda: load(photos, cache_dir))()
    shutil.rmtree(cache_dir)
    return seconds


def _seconds_of_pair(collection: Collection, num_batches: int, num_workers: int) -> float:
    """Through the training loader, after the workers have started."""
    dataset = TrainingDataset(collection, hr_crop_size=CROP_SIZE, num_crop_candidates=NUM_CANDIDATES, seed=0)
    batches = EndlessBatches(batch_size=BATCH_SIZE, start_step=0, rank=0, world_size=1)
    loader = iter(DataLoader(dataset, batch_sampler=batches, num_workers=num_workers))
    _consume(loader, 4)
    return timed(lambda: _consume(loader, num_batches))() / (num_batches * BATCH_SIZE)


def _consume(batches: Iterator[Any], number: int) -> None:
    for _ in islice(batches, number):  # let each go before the next
        pass


def _seconds_of_decoded_crop(paths: Sequence[Path]) -> float:
    """Decode, cut, mirror, shrink the crop alone, to float."""
    rng = np.random.default_rng(0)

    def crop(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
        hr = read_rgb8(path)
        top, left = (int(rng.integers(side - CROP_SIZE + 1)) for side in hr.shape[1:])
        part = hr[:, top : top + CROP_SIZE, left : left + CROP_SIZE].flip(-1)
        return to_float(bicubic(part, SCALE)), to_float(part.contiguous())

    return timed(lambda: [crop(path) for path in paths])() / len(paths)


def _by_size(folder: Path, *, quick: bool) -> dict[str, float]:
    """Microseconds of a sample by the size of its picture; as BMP, since only crops are measured."""
    datasets = {}
    for name, (height, width) in _SIZES.items():
        size = (height // 8, width // 8) if quick else (height, width)
        textured(size, seed=0).save(folder / f"{name}.bmp")
        collection = load([Photo(name, folder / f"{name}.bmp")], folder / "sizes")
        datasets[name] = TrainingDataset(collection, hr_crop_size=CROP_SIZE, num_crop_candidates=NUM_CANDIDATES, seed=0)
    numbers = count()

    def measure(dataset: TrainingDataset) -> float:
        return timed(lambda: [dataset[number] for number in islice(numbers, 500)])() / 500

    taken = interleaved({name: lambda d=d: measure(d) for name, d in datasets.items()}, rounds=5)  # type: ignore[misc]
    microseconds = {name: 1e6 * statistics.median(seconds) for name, seconds in taken.items()}
    return {**microseconds, "ratio": median_ratio(taken["50 Mpix"], taken["1 Mpix"])}


def _worker(folder: Path, gigabytes: float, megapixels: float) -> None:
    """Build a collection's cache and crop all over it, and print how much more memory that took at its peak."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5 / SCALE) * SCALE
    size = (height, height * 4 // 3)
    textured(size, seed=0).save(folder / "large.bmp")
    number = round(gigabytes * 1e9 / (3 * size[0] * size[1]))
    links = [folder / f"{index}.bmp" for index in range(number)]  # each is a photo of its own to the cache
    for link in links:
        link.symlink_to(folder / "large.bmp")
    _seconds_of_pair(load([Photo("large", folder / "large.bmp")], folder / "memory"), 1, 0)
    before = current_mb()
    collection = load([Photo(link.name, link) for link in links], folder / "memory")
    _seconds_of_pair(collection, 3 * number // BATCH_SIZE + 1, 0)
    used = sum(path.stat().st_size for path in (folder / "memory").iterdir())
    print(json.dumps({"gigabytes": used / 1e9, "photos": number, "mib_more": (peak_mb() - before) * 1e6 / 2**20}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
