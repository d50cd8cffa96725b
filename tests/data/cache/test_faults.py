"""Tests of srgan.data.cache where something is wrong: damage, kills, disks that are full, and folders without locks."""

import errno
import multiprocessing
import os
import shutil
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from srgan.data import collection as collection_module
from srgan.data.cache import folder as cache
from srgan.data.cache.entry import Entry
from srgan.data.cache.folder import CacheWarning, DecodedCache
from srgan.data.photos import Photo, find_photos
from srgan.data.photos.pair import read_pair
from srgan.pictures.rgb import read_rgb8
from tests.data.cache.cached import NUM_PHOTOS, assert_as_decoded, entries, load
from tests.data.pictures import save


def fail(code: int) -> Any:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-1], id="truncated"),
        pytest.param(lambda content: content[:10], id="truncated in its header"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content + b"\0", id="too long"),
        pytest.param(lambda content: b"srganp00" + content[8:], id="of another version"),
    ],
)
def test_a_damaged_entry_is_made_again(folder: Path, tmp_path: Path, decoded: list[str], damage: Any) -> None:
    load(find_photos(folder), tmp_path / "cache")
    decoded.clear()
    victim = entries(tmp_path / "cache")[0]
    victim.write_bytes(damage(victim.read_bytes()))
    assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))
    assert len(decoded) == 1
    load(find_photos(folder), tmp_path / "cache")
    assert len(decoded) == 1


@pytest.mark.parametrize("damage", [Path.unlink, Path.touch, lambda path: os.truncate(path, 100)])
def test_entries_lost_while_a_run_goes_on_are_decoded(folder: Path, tmp_path: Path, damage: Any) -> None:
    collection = load(find_photos(folder), tmp_path / "cache")
    for path in entries(tmp_path / "cache"):
        path.unlink()
        if damage is not Path.unlink:
            path.touch()
            damage(path)
    with pytest.warns(CacheWarning, match="were removed since the run began"):
        assert_as_decoded(collection)


def test_a_kill_while_building_leaves_no_half_entry(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    # As SIGKILL leaves it: a half-written file under the name for unfinished ones, and no clean-up.
    unfinished = tmp_path / "cache" / f".unfinished-{'0' * 32}"
    unfinished.parent.mkdir()
    unfinished.write_bytes(b"srganp01" + bytes(1000))

    def interrupted(self: Entry, file: BinaryIO, lr: torch.Tensor, hr: torch.Tensor) -> None:
        file.write(b"srganp01" + bytes(100))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Entry, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(find_photos(folder), tmp_path / "cache")
    assert entries(tmp_path / "cache") == [unfinished]
    assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))
    assert_as_decoded(load(find_photos(folder)[:1], tmp_path / "cache", num_entries=1.5))
    load([Photo("new", save(tmp_path / "new.bmp", seed=9))], tmp_path / "cache", num_entries=1)
    assert not unfinished.exists()  # it counts as an entry that nobody uses


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_takes_nothing_falls_back_to_decoding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(cache, "atomic_write", fail(code))
    with pytest.warns(CacheWarning) as raised:
        collection = load(find_photos(folder), tmp_path / "cache")
    assert len(raised) == 1
    assert str(tmp_path / "cache") in str(raised[0].message)
    assert os.strerror(code) in str(raised[0].message)
    assert_as_decoded(collection)


def test_a_disk_that_fills_up_keeps_what_it_has(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(find_photos(folder)[:2], tmp_path / "cache")
    monkeypatch.setattr(cache, "atomic_write", fail(errno.ENOSPC))
    with pytest.warns(CacheWarning, match="No space left"):
        collection = load(find_photos(folder), tmp_path / "cache")
    assert_as_decoded(collection)
    assert len(entries(tmp_path / "cache")) == 2


def test_on_a_full_disk_the_next_run_does_not_try_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**31, "total": 2**40})())
    with pytest.warns(CacheWarning):
        load(find_photos(folder), tmp_path / "cache")
    decoded.clear()
    with pytest.warns(CacheWarning, match=r"4 of 4 photos are decoded at each use.*nearly full"):
        load(find_photos(folder), tmp_path / "cache")
    assert decoded == []


def test_a_folder_that_cannot_be_made_falls_back_to_decoding(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(CacheWarning, match=r"file/cache cannot be written to \(Not a directory\)"):
        collection = load(find_photos(folder), tmp_path / "file" / "cache")
    assert_as_decoded(collection)


def test_a_folder_that_may_only_be_read_serves_what_it_has(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    load(find_photos(folder), tmp_path / "cache")
    for path in entries(tmp_path / "cache"):
        os.utime(path, (0, 0))  # which a reader would like to renew
    decoded.clear()
    with monkeypatch.context() as patch:  # the tests may run as root, whom permissions do not stop
        patch.setattr(os, "utime", fail(errno.EROFS))
        patch.setattr(cache, "atomic_write", fail(errno.EROFS))
        assert_as_decoded(load(find_photos(folder), tmp_path / "cache"))
    assert decoded == []


def _load_counting(folder: Path, cache_dir: Path, start: Any, counts: Any) -> None:
    decoded = 0

    def watched(path: Path) -> torch.Tensor:
        nonlocal decoded
        decoded += 1
        return read_rgb8(path)

    vars(collection_module)["read_rgb8"] = watched  # in a process of its own
    start.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_as_decoded(load(find_photos(folder), cache_dir, num_entries=1000))
    counts.put(decoded)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_at_once_decode_each_photo_once(folder: Path, tmp_path: Path) -> None:
    for seed in range(NUM_PHOTOS, 40):
        save(folder / f"{seed}.bmp", seed=seed)
    context = multiprocessing.get_context("fork")
    start, counts = context.Barrier(2), context.Queue()
    both = [context.Process(target=_load_counting, args=(folder, tmp_path / "cache", start, counts)) for _ in range(2)]
    for process in both:
        process.start()
    decoded = [counts.get(timeout=60) for _ in both]
    for process in both:
        process.join()
    assert sorted(decoded) == [0, 40]
    assert len(entries(tmp_path / "cache")) == 40


def test_without_locks_two_builders_do_no_harm(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    found = find_photos(folder)
    first, second = (DecodedCache(tmp_path / "cache", gigabytes=1) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", fail(errno.ENOLCK))
        with first.building(), second.building():  # would wait for ever with locks
            pair = read_pair(found[0], scale=4)
            one, other = (each.store("name", pair.lr, pair.hr) for each in (first, second))
    assert one == other
    images = one.read()
    assert images is not None
    assert torch.equal(images[1], pair.hr)
