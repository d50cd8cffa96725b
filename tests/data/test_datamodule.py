"""Tests of srgan.data.datamodule: from folders to batches, alone and among several processes."""

from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
import torch

from srgan.data import SuperResolutionDataModule
from srgan.data.augmentations import Augmentation
from srgan.data.degradations import ClassicalDegradation, RandomBlur
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import read_rgb8
from tests.data.loaded import assert_same, ready, train_batches, val_names
from tests.data.pictures import save


def changed_batch(**arguments: Any) -> dict[str, Any]:
    """The first batch after what happens to it on the device."""
    data = ready(**arguments)
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def classical() -> ClassicalDegradation:
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"anisotropic": 1}, sigma_range=[0.2, 4])
    return ClassicalDegradation(blur=blur, noise_sigma_range=[5, 25])


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
