"""Tests of srgan.data.cache: decoded once, noticed when changed, never half there, and never a reason to fail."""

import errno
import multiprocessing
import os
import shutil
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from srgan.data import SuperResolutionDataModule
from srgan.data import collection as collection_module
from srgan.data.cache import folder as cache
from srgan.data.cache.entry import Entry
from srgan.data.cache.folder import CacheWarning, DecodedCache
from srgan.data.collection import Collection
from srgan.data.photos import Photo, find_pairs, find_photos
from srgan.data.photos.find import with_reductions
from srgan.data.photos.pair import read_pair
from srgan.pictures.find import LeftOutWarning
from srgan.pictures.rgb import read_rgb8
from tests.data.pictures import save

NUM_PHOTOS = 4
ENTRY_BYTES = 64 + 3 * 64 * 48 + 3 * 16 * 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of four photos of 64x48 pixels."""
    for seed in range(NUM_PHOTOS):
        save(tmp_path / "photos" / f"{seed}.bmp", seed=seed)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the HR files that were decoded so far to be looked at."""
    names: list[str] = []

    def watched(path: Path) -> torch.Tensor:
        names.append(path.name)
        return read_rgb8(path)

    monkeypatch.setattr(collection_module, "read_rgb8", watched)
    return names


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


def fail(code: int) -> Any:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


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


def test_reading_touches_an_entry_of_the_last_hour_no_more(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = load(find_photos(folder), tmp_path / "cache")
    touched: list[Path] = []
    monkeypatch.setattr(os, "utime", touched.append)
    assert_as_decoded(collection)
    assert touched == []


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


def test_some_of_the_disk_is_left_free(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**31, "total": 2**40})())
    with pytest.warns(CacheWarning, match=r"nearly full.*data\.cache_dir"):
        collection = load(find_photos(folder), tmp_path / "cache")
    assert_as_decoded(collection)
    assert sum(path.stat().st_size for path in entries(tmp_path / "cache")) < ENTRY_BYTES


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
