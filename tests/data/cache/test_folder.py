"""Tests of srgan.data.cache: decoded once for all runs, noticed when changed, and the same as without it."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from srgan.data import SuperResolutionDataModule
from srgan.data.cache.folder import DecodedCache
from srgan.data.collection import Collection
from srgan.data.photos import Photo, find_pairs, find_photos
from srgan.data.photos.find import with_reductions
from srgan.pictures.find import LeftOutWarning
from tests.data.cache.cached import ENTRY_BYTES, NUM_PHOTOS, assert_as_decoded, entries, load
from tests.data.pictures import save


def test_photos_are_decoded_once_for_all_runs(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))
    assert sorted(decoded) == [f"{number}.bmp" for number in range(NUM_PHOTOS)]
    assert sum(path.stat().st_size for path in entries(tmp_path / "cache")) == NUM_PHOTOS * ENTRY_BYTES
    decoded.clear()
    assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))
    assert_as_decoded(load(find_photos(folder.parent), tmp_path / "cache"))  # under other names
    assert decoded == []


@pytest.mark.parametrize("size", [(67, 50), (48, 48), (1000, 51)])
def test_odd_sizes_and_reductions_come_back_as_they_were(tmp_path: Path, size: tuple[int, int]) -> None:
    path = save(tmp_path / "1.png", seed=0, width=size[0], height=size[1])
    found = [Photo("full", path), Photo("half", path, reduction=2)]
    assert_as_decoded(load(found, tmp_path / "cache", num_entries=1000, min_size=8))
    assert len(entries(tmp_path / "cache")) == 2


def test_pairs_are_kept_with_their_own_lr(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    for seed in range(NUM_PHOTOS):
        save(tmp_path / "lr" / f"{seed}.png", seed=10 + seed, width=16, height=12)
    found = find_pairs(folder, tmp_path / "lr", scale=4)
    load(find_photos(folder), tmp_path / "cache")  # the same HR files with LR made
    assert_as_decoded(load(found, tmp_path / "cache"))
    decoded.clear()
    save(tmp_path / "lr" / "2.png", seed=99, width=16, height=12)
    assert_as_decoded(load(found, tmp_path / "cache"))
    assert decoded == ["2.bmp"]


def test_the_same_photos_at_another_scale_are_other_entries(folder: Path, tmp_path: Path) -> None:
    load(find_photos(folder), tmp_path / "cache")
    store = DecodedCache(tmp_path / "cache", gigabytes=1)
    halved = Collection(find_photos(folder), scale=2, min_size=32, cache=store, purpose="training")
    assert halved[0].lr.shape == (3, 24, 32)
    assert_as_decoded(halved)
    assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))


def test_changed_added_and_removed_photos_are_noticed(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    load(find_photos(folder), tmp_path / "cache")
    decoded.clear()
    before = (folder / "1.bmp").stat()
    save(folder / "1.bmp", seed=50)  # of the same size in bytes
    os.utime(folder / "1.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))  # and with its old time, as rsync leaves it
    save(folder / "new.bmp", seed=51)
    (folder / "0.bmp").unlink()
    collection = load(find_photos(folder), tmp_path / "cache")
    assert [photo.name for photo in collection.photos] == ["1.bmp", "2.bmp", "3.bmp", "new.bmp"]
    assert_as_decoded(collection)
    assert sorted(decoded) == ["1.bmp", "new.bmp"]


def test_unusable_photos_are_not_decoded_again(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    save(folder / "small.bmp", seed=9, width=40, height=20)
    for _ in range(2):
        with pytest.warns(LeftOutWarning, match="40x20, smaller than the 32x32"):
            load(find_photos(folder), tmp_path / "cache")
    assert len(decoded) == NUM_PHOTOS + 1


def test_a_photo_is_decoded_once_for_all_its_reductions(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    reduced = with_reductions(find_photos(folder), [1, 1.5, 2])
    collection = load(reduced, tmp_path / "cache", min_size=16)
    assert sorted(decoded) == [f"{number}.bmp" for number in range(NUM_PHOTOS)]
    assert [photo.name for photo in collection.photos] == [photo.name for photo in reduced]
    assert_as_decoded(collection)
    load(with_reductions(find_photos(folder), [1, 2, 3]), tmp_path / "cache", min_size=16)
    assert len(decoded) == 2 * NUM_PHOTOS  # for the third alone
    Collection(reduced, scale=4, min_size=16, purpose="training")
    assert len(decoded) == 3 * NUM_PHOTOS  # without a cache as well


@pytest.mark.parametrize(("size", "reduction"), [((30, 20), 8), ((6, 9), 8), ((6, 9), 7.5), ((3, 2), 1)])
def test_reduction_below_one_lr_pixel_is_not_decoded_again(
    folder: Path, tmp_path: Path, decoded: list[str], size: tuple[int, int], reduction: float
) -> None:
    path = save(tmp_path / "speck.bmp", seed=9, width=size[0], height=size[1])
    speck = Photo("speck", path, reduction=reduction)
    for _ in range(2):
        with pytest.warns(LeftOutWarning, match=r"speck\.bmp.* is \d+x\d+, smaller than the 32x32"):
            assert_as_decoded(load([*find_photos(folder), speck], tmp_path / "cache"))
    assert decoded.count("speck.bmp") == 1
    assert sorted(path.stat().st_size for path in entries(tmp_path / "cache"))[0] == 64  # a header alone


def test_reading_touches_an_entry_of_the_last_hour_no_more(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = load(find_photos(folder), tmp_path / "cache")
    touched: list[Path] = []
    monkeypatch.setattr(os, "utime", touched.append)
    assert_as_decoded(collection)
    assert touched == []


def test_crops_are_the_same_with_and_without_cache(folder: Path, tmp_path: Path) -> None:
    def batches(**arguments: Any) -> Iterator[dict[str, Any]]:
        data = SuperResolutionDataModule(
            root=folder, val_fraction=0.3, hr_crop_size=32, batch_size=4, num_crop_candidates=3, **arguments
        )
        data.setup("fit")
        return islice(data.train_dataloader(), 5)

    cached, again = (batches(cache_dir=tmp_path / "cache") for _ in range(2))
    for one, two, other in zip(cached, again, batches(cache_gigabytes=0), strict=True):
        assert one["name"] == two["name"] == other["name"]
        for key in ("lr", "hr"):
            assert torch.equal(one[key], other[key])
            assert torch.equal(two[key], other[key])
    assert len(entries(tmp_path / "cache")) == NUM_PHOTOS


def test_the_switch_leaves_no_folder(folder: Path, tmp_path: Path) -> None:
    data = SuperResolutionDataModule(root=folder, hr_crop_size=32, cache_gigabytes=0, cache_dir=tmp_path / "cache")
    data.setup("fit")
    assert not (tmp_path / "cache").exists()


def test_place_and_size_are_said_once(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    data = SuperResolutionDataModule(root=folder, hr_crop_size=32, cache_dir=tmp_path / "cache")
    for stage in ("fit", "validate", "test"):
        data.setup(stage)
    size = NUM_PHOTOS * ENTRY_BYTES / 1e9
    assert [record.getMessage() for record in caplog.records] == [
        f"Decoded photos: {size:.3g} GB in {tmp_path / 'cache'}"
    ]


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert DecodedCache(None, gigabytes=1).folder == tmp_path / "srgan" / "photos"


def test_writing_to_a_picture_changes_no_file(folder: Path, tmp_path: Path) -> None:
    collection = load(find_photos(folder), tmp_path / "cache")
    collection[0].hr.zero_()
    assert_as_decoded(collection)
