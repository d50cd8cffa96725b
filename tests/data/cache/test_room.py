"""Tests of srgan.data.cache: what makes room for what, and which files are never dropped."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from srgan.data import SuperResolutionDataModule
from srgan.data.cache.folder import CacheWarning, DecodedCache
from srgan.data.photos import Photo, find_photos
from tests.data.cache.cached import ENTRY_BYTES, NUM_PHOTOS, assert_as_decoded, entries, load
from tests.data.pictures import save


def test_a_live_runs_entries_are_not_evicted_by_another_run(folder: Path, tmp_path: Path) -> None:
    found = find_photos(folder)
    running = load(found[:2], tmp_path / "cache")
    for path in entries(tmp_path / "cache"):
        os.utime(path, (1e9, 1e9))
    load(found[2:3], tmp_path / "cache")
    unneeded = max(entries(tmp_path / "cache"), key=lambda path: path.stat().st_mtime)
    os.utime(unneeded, (1.5e9, 1.5e9))  # younger than the others were when their run began
    for index in range(2):
        assert running[index]
    load(found[3:], tmp_path / "cache", num_entries=3)
    assert not unneeded.exists()
    assert_as_decoded(running)  # from the cache: a warning would be an error


def test_some_of_the_disk_is_left_free(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**31, "total": 2**40})())
    with pytest.warns(CacheWarning, match=r"nearly full.*data\.cache_dir"):
        collection = load(find_photos(folder), tmp_path / "cache")
    assert_as_decoded(collection)
    assert sum(path.stat().st_size for path in entries(tmp_path / "cache")) < ENTRY_BYTES


def test_what_was_used_longest_ago_makes_room(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    found = find_photos(folder)
    for age, photo in enumerate(found[:3]):
        known = set(tmp_path.glob("cache/*"))
        load([photo], tmp_path / "cache")
        (new,) = set(entries(tmp_path / "cache")) - known
        os.utime(new, (1e9 - age * 1e5,) * 2)  # the first made is the last used
    load(found[2:3], tmp_path / "cache")  # but for this one, used just now
    load(found[3:], tmp_path / "cache", num_entries=3)
    decoded.clear()
    load([found[index] for index in (0, 2, 3)], tmp_path / "cache")
    assert decoded == []
    load(found[1:2], tmp_path / "cache")
    assert decoded == ["1.bmp"]


@pytest.mark.parametrize(("cap", "num_kept"), [(NUM_PHOTOS + 3, 3), (NUM_PHOTOS + 1.5, 1), (2, 0)])
def test_a_lowered_cap_shrinks_a_cache_that_is_complete(
    folder: Path, tmp_path: Path, decoded: list[str], cap: float, num_kept: int
) -> None:
    cache_dir = tmp_path / "cache"
    load(find_photos(folder), cache_dir)
    for path in entries(cache_dir):
        os.utime(path, (0, 0))  # used longest ago, but for this run
    others: list[Path] = []
    for age in range(4):
        known = set(entries(cache_dir))
        load([Photo("other", save(tmp_path / f"other{age}.bmp", seed=9 + age))], cache_dir)
        others += set(entries(cache_dir)) - known
        os.utime(others[-1], (1e9 - age * 1e5,) * 2)
    decoded.clear()
    gigabytes = cap * ENTRY_BYTES / 1e9
    data = SuperResolutionDataModule(root=folder, hr_crop_size=32, cache_dir=cache_dir, cache_gigabytes=gigabytes)
    for stage in ("fit", "validate"):  # of which the second looks nothing up
        data.setup(stage)
    assert set(others) & set(entries(cache_dir)) == set(others[:num_kept])
    assert len(entries(cache_dir)) == NUM_PHOTOS + num_kept
    assert decoded == []


def test_photos_beyond_the_cap_are_checked_once_decoded_at_use(
    folder: Path, tmp_path: Path, decoded: list[str]
) -> None:
    found = find_photos(folder)
    with pytest.warns(CacheWarning, match=r"data\.cache_gigabytes=.* is used up") as raised:
        collection = load(found, tmp_path / "cache", num_entries=2.5)
    assert len(raised) == 1
    assert_as_decoded(collection)
    assert sum(path.stat().st_size for path in entries(tmp_path / "cache")) < 2.5 * ENTRY_BYTES
    decoded.clear()
    with pytest.warns(CacheWarning, match=r"2 of 4 photos are .* is used up"), pytest.raises(ValueError, match="64x64"):
        load(found, tmp_path / "cache", num_entries=2.5, min_size=64)
    assert decoded == []
    load(found, tmp_path / "cache", num_entries=NUM_PHOTOS)
    assert len(decoded) == 2  # room now for the others
    decoded.clear()
    load(found, tmp_path / "cache")
    assert decoded == []


def test_files_of_others_in_the_folder_are_never_dropped(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("not yours")
    pixels = torch.zeros(3, 16, 12, dtype=torch.uint8), torch.zeros(3, 64, 48, dtype=torch.uint8)
    for names in (["0" * 32, "1" * 32], ["2" * 32, "3" * 32]):  # a run, and another that needs its room
        of_this_run = DecodedCache(tmp_path, gigabytes=2e-9 * ENTRY_BYTES)
        with of_this_run.building():
            for name in names:
                of_this_run.store(name, *pixels)
    assert letter.read_text() == "not yours"
    assert {path.name[0] for path in tmp_path.iterdir()} - {"."} == {"2", "3", "l"}
