"""Tests of srgan.data.dataset: samples that depend on the seed and their number alone, and how processes share them."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from srgan.data import dataset as dataset_module
from srgan.data.collection import Collection
from srgan.data.dataset import EndlessBatches, PairItem, TrainingDataset, ValidationDataset, draw_round
from srgan.data.photos import find_photos
from srgan.pictures.resize import downscale

NUM_PHOTOS = 5


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Five photos of 96x80 pixels with detail."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(NUM_PHOTOS):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 80), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")
    return Collection(find_photos(folder), scale=4, min_size=48, purpose="training")


def make_dataset(collection: Collection, *, seed: int = 0, num_crop_candidates: int = 2) -> TrainingDataset:
    return TrainingDataset(collection, hr_crop_size=48, num_crop_candidates=num_crop_candidates, seed=seed)


def same(one: PairItem, other: PairItem) -> bool:
    return one["name"] == other["name"] and all(torch.equal(one[key], other[key]) for key in ("lr", "hr"))


def batches(
    num_steps: int, *, batch_size: int, start_step: int = 0, rank: int = 0, world_size: int = 1
) -> list[list[int]]:
    sampler = EndlessBatches(batch_size=batch_size, start_step=start_step, rank=rank, world_size=world_size)
    return list(islice(sampler, num_steps))


def test_sample_depends_on_seed_and_number_alone(collection: Collection) -> None:
    numbers = [0, 3, 7, 12, 1_000_003]
    forwards, backwards = make_dataset(collection), make_dataset(collection)
    expected = [forwards[number] for number in numbers]
    again = [backwards[number] for number in reversed(numbers)][::-1]
    assert all(same(one, other) for one, other in zip(expected, again, strict=True))


def test_torch_and_numpy_state_play_no_part(collection: Collection) -> None:
    dataset = make_dataset(collection)
    first = dataset[4]
    torch.rand(3)
    np.random.default_rng().random()
    assert same(dataset[4], first)


def test_another_seed_gives_other_samples(collection: Collection) -> None:
    one, other = make_dataset(collection, seed=0), make_dataset(collection, seed=1)
    assert not any(same(one[number], other[number]) for number in range(10))


def test_each_photo_comes_once_in_each_round_in_a_new_order(collection: Collection) -> None:
    dataset = make_dataset(collection)
    rounds = [[dataset[NUM_PHOTOS * r + i]["name"] for i in range(NUM_PHOTOS)] for r in range(4)]
    assert all(sorted(names) == [f"{i}.png" for i in range(NUM_PHOTOS)] for names in rounds)
    assert len({tuple(names) for names in rounds}) > 1


def test_equal_weights_draw_as_no_weights_do() -> None:
    for seed in range(20):
        order = draw_round(np.full(7, 0.3), rng=np.random.default_rng(seed))
        assert order.tolist() == np.random.default_rng(seed).permutation(7).tolist()


def test_photos_are_drawn_by_weight_as_evenly_as_can_be() -> None:
    weights = np.array([3.0, 3.0, 1.0, 1.0, 1.0, 0.5, 0.5])
    shares = 7 * weights / weights.sum()  # 2.1 for the first, 0.35 for the last
    rounds = [draw_round(weights, rng=np.random.default_rng(seed)) for seed in range(2000)]
    counts = np.array([np.bincount(order, minlength=7) for order in rounds])
    assert (counts >= np.floor(shares)).all()
    assert (counts <= np.ceil(shares)).all()
    assert np.abs(counts.mean(axis=0) - shares).max() < 0.04
    assert any((order[1:] != order[:-1]).all() for order in rounds)  # what comes twice does not come twice in a row


def test_weight_of_a_photo_decides_how_often_its_crops_come(collection: Collection) -> None:
    weighted = copy(collection)
    weighted.photos = [replace(photo, weight=6.0 if photo.name == "2.png" else 1.0) for photo in collection.photos]
    names = [make_dataset(weighted)[number]["name"] for number in range(20 * NUM_PHOTOS)]
    assert names.count("2.png") == 60
    assert set(names) == {f"{index}.png" for index in range(NUM_PHOTOS)}


def test_the_same_photo_is_cropped_and_turned_anew_in_each_round(collection: Collection) -> None:
    dataset = make_dataset(collection)
    crops = [item["hr"] for item in (dataset[number] for number in range(20)) if item["name"] == "0.png"]
    assert len(crops) == 4
    assert not any(torch.equal(crops[0], crop) for crop in crops[1:])


@pytest.mark.parametrize("scale", [2, 3])
def test_at_other_scales_lr_fits_too(collection: Collection, scale: int) -> None:
    photos = [photo for photo in collection.photos if photo.name in ("0.png", "1.png")]
    dataset = make_dataset(Collection(photos, scale=scale, min_size=48, purpose="training"))
    for item in (dataset[number] for number in range(4)):
        expected = downscale(item["hr"][None], scale)[0].clamp(0, 1)
        assert item["lr"].shape == (3, 48 // scale, 48 // scale)
        inside = (..., slice(4, -4), slice(4, -4))  # at its edges LR has seen what lies around the crop
        assert (item["lr"] - expected)[inside].abs().max() < 2 / 255


def test_sample_is_a_dict_of_float_crops_in_range(collection: Collection) -> None:
    for item in map(make_dataset(collection).__getitem__, range(10)):
        assert set(item) == {"lr", "hr", "name"}
        assert item["lr"].shape == (3, 12, 12)
        assert item["hr"].shape == (3, 48, 48)
        for image in (item["lr"], item["hr"]):
            assert image.dtype == torch.float32
            assert 0 <= image.min() < image.max() <= 1


def test_lr_is_hr_shrunk_whatever_the_crop_and_orientation(collection: Collection) -> None:
    inside = (..., slice(3, -3), slice(3, -3))  # the kernel reaches over the crop's edge
    for item in map(make_dataset(collection).__getitem__, range(40)):
        shrunk = downscale(item["hr"][None], 4)[0].clamp(0, 1)
        assert (shrunk - item["lr"])[inside].abs().max() <= 0.51 / 255


def test_validation_gives_whole_pictures_in_order(collection: Collection) -> None:
    dataset = ValidationDataset(collection)
    assert len(dataset) == NUM_PHOTOS
    items = [dataset[index] for index in range(NUM_PHOTOS)]
    assert [item["name"] for item in items] == [f"{i}.png" for i in range(NUM_PHOTOS)]
    for item, pair in zip(items, (collection[index] for index in range(NUM_PHOTOS)), strict=True):
        assert torch.equal(item["hr"], pair.hr / 255)
        assert torch.equal(item["lr"], pair.lr / 255)
        assert item["hr"].shape == (3, 80, 96)


def test_degraded_validation_images_are_kept_up_to_a_size(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_made = 0

    def noisy(hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
        nonlocal num_made
        num_made += 1
        (rng,) = rngs
        return torch.from_numpy(rng.random((1, 3, hr.shape[-2] // scale, hr.shape[-1] // scale), np.float32))

    monkeypatch.setattr(dataset_module, "_KEPT_BYTES", 2 * 3 * 20 * 24 + 5)  # two of the five
    validation = ValidationDataset(collection, noisy)
    first, again = ([validation[index] for index in range(NUM_PHOTOS)] for _ in range(2))
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    assert num_made == NUM_PHOTOS + 3


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_together_see_what_one_process_sees(world_size: int) -> None:
    alone = batches(6, batch_size=8)
    ranks = [batches(6, batch_size=8 // world_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == alone


def test_no_sample_is_left_out_or_given_twice() -> None:
    assert list(chain(*batches(5, batch_size=3))) == list(range(15))


@pytest.mark.parametrize("world_size", [1, 3])
def test_resumed_batches_continue_exactly(world_size: int) -> None:
    whole = batches(7, batch_size=4, rank=world_size - 1, world_size=world_size)
    assert batches(4, batch_size=4, start_step=3, rank=world_size - 1, world_size=world_size) == whole[3:]


def test_batches_start_anew_when_iterated_again() -> None:
    sampler = EndlessBatches(batch_size=2, start_step=1, rank=0, world_size=1)
    assert list(islice(sampler, 2)) == list(islice(sampler, 2)) == [[2, 3], [4, 5]]
