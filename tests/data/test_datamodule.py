"""Tests of srgan.data.datamodule: from folders to batches, alone and among several processes."""

import re
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from srgan.data import SuperResolutionDataModule
from srgan.data.augmentations import Augmentation
from srgan.data.degradations import ClassicalDegradation, RandomBlur
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import read_rgb8
from tests.data.pictures import save

VAL_NAMES = ["astronaut.png", "brushes.png", "chelsea.png", "coffee.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten photos of 64x48 pixels in ``all``."""
    for seed in range(10):
        save(tmp_path / "all" / f"{seed}.png", seed=seed)
    save(tmp_path / "train" / "x.png", seed=99)
    return tmp_path / "all"


def ready(*, rank: int = 0, world_size: int = 1, step: int = 0, **arguments: Any) -> SuperResolutionDataModule:
    """A data module after setup, in the given process of a run."""
    data = SuperResolutionDataModule(**{"hr_crop_size": 32, "batch_size": 4, **arguments})
    device = SimpleNamespace(root_device=torch.device("cpu"))
    place = {"global_rank": rank, "world_size": world_size, "global_step": step, "strategy": device, "loggers": []}
    data.trainer = SimpleNamespace(training=True, **place)  # type: ignore[assignment] # all that the data module looks at
    data.setup("fit")
    return data


def train_batches(count: int, **arguments: Any) -> list[dict[str, Any]]:
    return list(islice(ready(**arguments).train_dataloader(), count))


def changed_batch(**arguments: Any) -> dict[str, Any]:
    """The first batch after what happens to it on the device."""
    data = ready(**arguments)
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def classical() -> ClassicalDegradation:
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"anisotropic": 1}, sigma_range=[0.2, 4])
    return ClassicalDegradation(blur=blur, noise_sigma_range=[5, 25])


def val_names(data: SuperResolutionDataModule) -> list[str]:
    return [batch["name"][0] for batch in data.val_dataloader()]


def assert_same(ones: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["lr"], other["lr"])
        assert torch.equal(one["hr"], other["hr"])


def test_sample_photos_come_with_the_package() -> None:
    data = ready(root="sample", val_root="sample", batch_size=6)
    [batch] = islice(data.train_dataloader(), 1)
    assert len(set(batch["name"])) == 6
    assert not set(batch["name"]) & set(VAL_NAMES)
    assert val_names(data) == VAL_NAMES


def test_batch_is_a_dict_of_float_crops(folder: Path) -> None:
    [batch] = train_batches(1, root=folder)
    assert set(batch) == {"lr", "hr", "name"}
    assert batch["lr"].shape == (4, 3, 8, 8)
    assert batch["hr"].shape == (4, 3, 32, 32)
    assert batch["hr"].dtype == torch.float32
    assert all(isinstance(name, str) for name in batch["name"])


def test_validation_takes_whole_photos_from_its_own_folder(folder: Path, tmp_path: Path) -> None:
    sizes = {"a.png": (64, 48), "b.png": (97, 81)}
    for seed, (name, (width, height)) in enumerate(sizes.items()):
        save(tmp_path / "val" / name, seed=seed, width=width, height=height)
    data = ready(root=folder, val_root=tmp_path / "val")
    batches = list(data.val_dataloader())
    assert [batch["name"] for batch in batches] == [["a.png"], ["b.png"]]
    assert [batch["hr"].shape for batch in batches] == [(1, 3, 48, 64), (1, 3, 80, 96)]
    assert [batch["lr"].shape for batch in batches] == [(1, 3, 12, 16), (1, 3, 20, 24)]
    assert [batch["name"] for batch in data.test_dataloader()] == [["a.png"], ["b.png"]]


@pytest.mark.parametrize("as_text", [True, False])
def test_one_folder_is_split(folder: Path, as_text: bool) -> None:
    data = ready(root=str(folder) if as_text else folder, val_fraction=0.3)
    train = {name for batch in islice(data.train_dataloader(), 5) for name in batch["name"]}
    val = set(val_names(data))
    assert val
    assert not train & val
    assert train | val == {f"{seed}.png" for seed in range(10)}


def test_pairs_use_the_given_lr(folder: Path, tmp_path: Path) -> None:
    for seed in range(10):
        save(tmp_path / "lr" / f"{seed}x4.png", seed=100 + seed, width=16, height=12)
        save(tmp_path / "val" / f"{seed}.png", seed=200 + seed)
    data = ready(
        root=folder, lr_root=tmp_path / "lr", val_root=tmp_path / "val", val_lr_root=tmp_path / "lr", batch_size=10
    )
    for number, batch in enumerate(data.val_dataloader()):
        assert torch.equal(batch["lr"][0] * 255, read_rgb8(tmp_path / "lr" / f"{number}x4.png").float())
    [batch] = islice(data.train_dataloader(), 1)
    for name, lr in zip(batch["name"], batch["lr"], strict=True):
        given = read_rgb8(tmp_path / "lr" / f"{Path(name).stem}x4.png")
        assert torch.isin((lr * 255).round(), given.float()).all()


def test_processes_share_each_step(folder: Path) -> None:
    alone = train_batches(3, root=folder, batch_size=8)
    ranks = [train_batches(3, root=folder, batch_size=4, rank=rank, world_size=2) for rank in range(2)]
    for step, batch in enumerate(alone):
        assert ranks[0][step]["name"] + ranks[1][step]["name"] == batch["name"]
        assert torch.equal(torch.cat([ranks[0][step]["hr"], ranks[1][step]["hr"]]), batch["hr"])


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_validation(folder: Path, world_size: int) -> None:
    shares = [
        val_names(ready(root=folder.parent / "train", val_root=folder, rank=r, world_size=world_size))
        for r in range(world_size)
    ]
    assert sorted(chain(*shares)) == [f"{seed}.png" for seed in range(10)]


def test_closing_test_sees_all_pictures_in_one_process(folder: Path) -> None:
    data = ready(root=folder.parent / "train", val_root=folder, rank=1, world_size=2)
    assert [batch["name"][0] for batch in data.test_dataloader()] == [f"{seed}.png" for seed in range(10)]


def test_more_processes_than_validation_pictures_leave_none_idle(folder: Path, tmp_path: Path) -> None:
    # Lightning stops a run where one process has an empty validation loader.
    for seed in range(2):
        save(tmp_path / "val" / f"{seed}.png", seed=seed)
    shares = [val_names(ready(root=folder, val_root=tmp_path / "val", rank=rank, world_size=4)) for rank in range(4)]
    assert all(shares)
    seen = list(chain(*shares))
    assert seen.count("0.png") == seen.count("1.png")  # else the mean over processes is not that over pictures


def test_resumed_run_continues_with_the_next_batch(folder: Path) -> None:
    assert_same(train_batches(2, root=folder, step=3), train_batches(5, root=folder)[3:])


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_give_the_same_batches(folder: Path) -> None:
    assert_same(train_batches(5, root=folder, num_workers=2), train_batches(5, root=folder, num_workers=0))


def test_loaders_work_without_a_trainer(folder: Path) -> None:
    data = SuperResolutionDataModule(root=folder, hr_crop_size=32, batch_size=4)
    data.setup("fit")
    assert_same(list(islice(data.train_dataloader(), 2)), train_batches(2, root=folder))


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


def test_batch_is_unchanged_without_degradation_and_augmentation(folder: Path) -> None:
    assert_same([changed_batch(root=folder)], train_batches(1, root=folder))


def test_degradation_makes_lr_anew_and_leaves_hr(folder: Path) -> None:
    [plain] = train_batches(1, root=folder)
    batch = changed_batch(root=folder, degradation=classical())
    assert torch.equal(batch["hr"], plain["hr"])
    assert batch["lr"].shape == plain["lr"].shape
    assert all((one - other).abs().mean() > 0.005 for one, other in zip(batch["lr"], plain["lr"], strict=True))
    assert not torch.equal(batch["lr"], changed_batch(root=folder, degradation=classical(), seed=1)["lr"])


def test_batch_changes_depend_on_seed_and_step_alone(folder: Path) -> None:
    strong = {
        "degradation": classical(),
        "augmentation": Augmentation(colour_jitter=0.4, channel_permutation_probability=0.5, cutblur_probability=0.5),
    }
    alone = [changed_batch(root=folder, batch_size=8, step=step, **strong) for step in (3, 4)]
    assert_same([changed_batch(root=folder, batch_size=8, step=3, **strong)], alone[:1])
    assert not torch.equal(alone[0]["lr"], alone[1]["lr"])
    ranks = [changed_batch(root=folder, batch_size=4, step=3, rank=rank, world_size=2, **strong) for rank in range(2)]
    for key in ("lr", "hr"):
        assert torch.equal(torch.cat([batch[key] for batch in ranks]), alone[0][key])


def test_augmented_pairs_stay_pairs_of_8_bit(folder: Path) -> None:
    augmentation = Augmentation(colour_jitter=0.4, channel_permutation_probability=0.5, mixup_probability=0.5)
    [plain] = train_batches(1, root=folder)
    batch = changed_batch(root=folder, augmentation=augmentation)
    assert not torch.equal(batch["hr"], plain["hr"])
    for key in ("lr", "hr"):
        torch.testing.assert_close(batch[key] * 255, (batch[key] * 255).round(), atol=1e-4, rtol=0)
    shrunk = downscale(batch["hr"], 4)[..., 2:-2, 2:-2]  # noise in these photos reaches 2 pixels into the crop
    torch.testing.assert_close(batch["lr"][..., 2:-2, 2:-2], shrunk, atol=3 / 255, rtol=0)


def test_validation_is_degraded_alike_in_every_run_and_only_once(folder: Path) -> None:
    bicubic = list(ready(root=folder).val_dataloader())
    loaders = [
        ready(root=folder, degradation=classical(), seed=0).val_dataloader(),
        ready(root=folder, degradation=classical(), seed=1).test_dataloader(),
    ]
    first, again, other_seed = list(loaders[0]), list(loaders[0]), list(loaders[1])
    assert_same(first, again)
    assert_same(first, other_seed)
    assert all(not torch.equal(one["lr"], other["lr"]) for one, other in zip(first, bicubic, strict=True))
    data = ready(root=folder, degradation=classical())
    data.trainer.training = False  # type: ignore[union-attr] # as while validating
    assert data.on_after_batch_transfer(first[0], 0) is first[0]


def test_lr_files_of_the_validation_are_not_degraded(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "val" / "a.png", seed=1)
    save(tmp_path / "val_lr" / "a.png", seed=2, width=16, height=12)
    data = ready(root=folder, val_root=tmp_path / "val", val_lr_root=tmp_path / "val_lr", degradation=classical())
    [batch] = data.val_dataloader()
    assert torch.equal(batch["lr"][0] * 255, read_rgb8(tmp_path / "val_lr" / "a.png").float())


def test_degrading_given_lr_and_cutblur_alone_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data/degradation=bicubic where data\.lr_root"):
        SuperResolutionDataModule(root=".", lr_root=".", degradation=classical())
    with pytest.raises(ValueError, match=r"data/degradation=classical or real.*cutblur_probability"):
        SuperResolutionDataModule(root="photos", augmentation=Augmentation(cutblur_probability=0.5))
