"""Tests of which photos the data module trains, validates and tests on, and which it refuses."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from srgan.data import SuperResolutionDataModule
from srgan.pictures.rgb import read_rgb8
from tests.data.loaded import VAL_NAMES, assert_same, ready, train_batches, val_names
from tests.data.pictures import save


def test_sample_photos_come_with_the_package() -> None:
    data = ready(root="sample", val_root="sample", batch_size=6)
    [batch] = islice(data.train_dataloader(), 1)
    assert len(set(batch["name"])) == 6
    assert not set(batch["name"]) & set(VAL_NAMES)
    assert val_names(data) == VAL_NAMES


@pytest.mark.parametrize("as_text", [True, False])
def test_one_folder_is_split(folder: Path, as_text: bool) -> None:
    data = ready(root=str(folder) if as_text else folder, val_fraction=0.3)
    train = {name for batch in islice(data.train_dataloader(), 5) for name in batch["name"]}
    val = set(val_names(data))
    assert val
    assert not train & val
    assert train | val == {f"{seed}.png" for seed in range(10)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hr_crop_size": 98}, "hr_crop_size to be a multiple of the scale 4 of at least 32.*got 98"),
        ({"hr_crop_size": 0}, "hr_crop_size to be a multiple of the scale 4 of at least 32.*got 0"),
        ({"hr_crop_size": -96}, "hr_crop_size to be a multiple of the scale 4 of at least 32.*got -96"),
        ({"scale": 0}, "scale.* got 0"),
        ({"scale": 1}, "scale of 2 or more, got 1: training is for networks that enlarge"),
        ({"batch_size": 0}, "batch_size to be a whole number of 1 or more, got 0"),
        ({"num_crop_candidates": 0}, "num_crop_candidates to be a whole number of 1 or more, got 0"),
        ({"lr_root": ".", "hr_reductions": [1, 2]}, r"hr_reductions=\[1\] where data\.lr_root"),
        ({"val_lr_root": "lr"}, r"Expected data\.val_root"),
    ],
)
def test_senseless_argument_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SuperResolutionDataModule(root=".", **arguments)


def test_given_training_lr_needs_given_validation_lr(folder: Path, benchmark_set: Path, tmp_path: Path) -> None:
    for seed in range(10):
        save(tmp_path / "lr" / f"{seed}.png", seed=100 + seed, width=16, height=12)
    [first, _] = ready(root=folder, lr_root=tmp_path / "lr", val_root=benchmark_set).val_dataloader()
    given = read_rgb8(benchmark_set / "LR_bicubic" / "X4" / "ax4.png")
    assert torch.equal((first["lr"][0] * 255).round(), given.float())
    with pytest.raises(ValueError, match=r"data\.val_lr_root, the LR partners of .*train in data\.val_root"):
        ready(root=folder, lr_root=tmp_path / "lr", val_root=[benchmark_set, tmp_path / "train"])


def test_reductions_are_refused_early_where_the_layout_has_lr(benchmark_set: Path) -> None:
    with pytest.raises(ValueError, match=r"hr_reductions=\[1\] where .* the layout of data\.root"):
        SuperResolutionDataModule(root=benchmark_set, hr_reductions=[1, 2])


@pytest.mark.parametrize("key", ["root", "val_root", "lr_root"])
@pytest.mark.parametrize(("name", "reason"), [("missing", "does not exist"), ("empty", "found none")])
def test_folder_without_pictures_is_named(folder: Path, tmp_path: Path, key: str, name: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    arguments: dict[str, Any] = {"root": folder, key: tmp_path / name}
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path / name))}.*{reason}"):
        ready(**arguments)


def test_photos_smaller_than_the_crop_are_refused_with_size(folder: Path) -> None:
    with pytest.raises(ValueError, match="64x48, smaller than the 96x96 pixels needed"):
        ready(root=folder, hr_crop_size=96)


def test_several_folders_are_mixed_by_weight(folder: Path, tmp_path: Path) -> None:
    for seed in range(2):
        save(tmp_path / "rare" / f"{seed}.png", seed=seed)
    roots = {str(tmp_path / "rare"): 5, str(folder): 1}
    batches = train_batches(30, root=roots, val_root=tmp_path / "train", batch_size=4)
    names = [name for batch in batches for name in batch["name"]]
    assert set(names) == {"rare/0.png", "rare/1.png", *(f"all/{seed}.png" for seed in range(10))}
    assert sum(name.startswith("rare/") for name in names) == 60  # of 120: two photos of weight 5 against ten of 1
    assert_same(batches[3:], train_batches(27, root=roots, val_root=tmp_path / "train", batch_size=4, step=3))


def test_a_list_of_one_folder_draws_the_same_samples(folder: Path) -> None:
    assert_same(train_batches(3, root=folder), train_batches(3, root=[str(folder)]))


@pytest.fixture
def benchmark_set(tmp_path: Path) -> Path:
    """A set of two pictures in EDSR's layout; the first is no multiple of 4, the second gray."""
    save(tmp_path / "Set2" / "HR" / "a.png", seed=1, width=67, height=50)
    Image.new("L", (64, 48), 90).save(tmp_path / "Set2" / "HR" / "b.png")
    for name in "ab":
        save(tmp_path / "Set2" / "LR_bicubic" / "X4" / f"{name}x4.png", seed=2, width=16, height=12)
    return tmp_path / "Set2"


def test_benchmark_replaces_validation_photos_in_closing_test(folder: Path, benchmark_set: Path) -> None:
    data = ready(root=folder, val_fraction=0.3, test_root=benchmark_set)
    batches = list(data.test_dataloader())
    assert [batch["name"] for batch in batches] == [["a.png"], ["b.png"]]
    assert [batch["hr"].shape for batch in batches] == [(1, 3, 48, 64)] * 2
    given = read_rgb8(benchmark_set / "LR_bicubic" / "X4" / "ax4.png")
    assert torch.equal((batches[0]["lr"][0] * 255).round(), given.float())
    assert set(val_names(data)) <= {f"{seed}.png" for seed in range(10)}


def test_benchmark_alone_needs_no_other_photos(benchmark_set: Path, folder: Path) -> None:
    data = SuperResolutionDataModule(root=folder, test_root=benchmark_set)
    (folder / "0.png").write_text("never read")
    data.setup("test")
    assert len(list(data.test_dataloader())) == 2


def test_surplus_processes_do_not_validate_on_the_benchmark(folder: Path, benchmark_set: Path, tmp_path: Path) -> None:
    save(tmp_path / "val" / "v.png", seed=0)
    data = ready(root=folder, val_root=tmp_path / "val", test_root=benchmark_set, world_size=4, rank=3)
    assert val_names(data) == ["v.png"]


@pytest.mark.parametrize("val", [[], ["5.png"]])
def test_test_photos_inside_the_root_are_not_trained_on(folder: Path, val: list[str]) -> None:
    save(folder / "test" / "a.png", seed=50)
    held_out = folder.with_name("val")
    for name in val:
        save(held_out / name, seed=60)
    data = ready(root=folder, test_root=folder / "test", val_root=held_out if val else None)
    names = {name for batch in islice(data.train_dataloader(), 20) for name in batch["name"]}
    assert names == {f"{seed}.png" for seed in range(10)} - (set() if val else set(val_names(data)))


def test_validation_photos_inside_the_root_are_not_trained_on(folder: Path) -> None:
    save(folder / "val" / "a.png", seed=50)
    data = ready(root=folder, val_root=folder / "val")
    names = {name for batch in islice(data.train_dataloader(), 10) for name in batch["name"]}
    assert names == {f"{seed}.png" for seed in range(10)}
    assert val_names(data) == ["a.png"]
    with pytest.raises(ValueError, match="that are not used for validation or testing, found none"):
        ready(root=folder, val_root=folder)
