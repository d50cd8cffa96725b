"""Tests of srgan.data.manifest: photos that changed between a run and its continuation are named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from srgan.data import SuperResolutionDataModule
from srgan.data.manifest import changes, fingerprint, packed, unpacked
from srgan.training import SRGAN, build_trainer
from srgan.training.callbacks import LastCheckpoint

BEFORE = {"a.png": (10, 0), "b.png": (20, 0), "c.png": (30, 5)}


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """A copy of the five photos, two to validate on."""
    shutil.copytree(photos, tmp_path / "train")
    (tmp_path / "val").mkdir()
    for number in (3, 4):
        (tmp_path / "train" / f"photo_{number}.png").rename(tmp_path / "val" / f"photo_{number}.png")
    return tmp_path


@pytest.fixture
def fit(make_model: Callable[..., SRGAN], folder: Path) -> Callable[..., Path]:
    """Train for some steps, or go on, and return the folder of the settings logged."""

    def run(*, steps: int, goes_on: bool = False) -> Path:
        last = LastCheckpoint(dirpath=folder, every_n_steps=100)
        logger = CSVLogger(folder, name="csv", version=steps)
        trainer = build_trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            limit_val_batches=0,
            callbacks=[last],
            logger=[logger],
            default_root_dir=folder,
        )
        trainer.fit(
            make_model(),
            SuperResolutionDataModule(
                root=folder / "train", val_root=folder / "val", hr_crop_size=32, batch_size=2, hr_reductions=[1, 2]
            ),
            ckpt_path=last.path if goes_on else None,
            weights_only=True,
        )
        return Path(logger.log_dir)

    return run


def test_going_on_with_the_same_photos_says_nothing(fit: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    fit(steps=1)
    fit(steps=2, goes_on=True)
    assert "than before" not in caplog.text


def test_going_on_with_other_photos_says_which(
    fit: Callable[..., Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(steps=1)
    shutil.copy(folder / "train" / "photo_0.png", folder / "train" / "new.png")
    Image.new("RGB", (80, 80)).save(folder / "train" / "photo_1.png")
    (folder / "val" / "photo_4.png").unlink()
    caplog.set_level("WARNING")
    caplog.clear()
    fit(steps=2, goes_on=True)
    assert [record.getMessage() for record in caplog.records] == [
        "Resuming with different training photos: 1 photo added (new.png), 1 changed (photo_1.png)",
        "Resuming with different validation photos: 1 photo removed (photo_4.png)",
    ]
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 2
    caplog.clear()
    fit(steps=3, goes_on=True)  # compares with the photos of the second
    assert not caplog.records


def test_only_the_first_process_speaks(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for rank, expected in ((1, 0), (0, 1)):
        data = SuperResolutionDataModule(root=folder / "train", val_root=folder / "val", hr_crop_size=32)
        data.trainer = type("Trainer", (), {"global_rank": rank, "world_size": 2, "loggers": ()})()
        data.load_state_dict({"training": packed(BEFORE)})  # before setup, which Lightning does not do
        data.setup("fit")
        assert len(caplog.records) == expected


def test_fingerprint_and_numbers_are_logged_with_the_settings(fit: Callable[..., Path], folder: Path) -> None:
    first = (fit(steps=1) / "hparams.yaml").read_text()
    lines = dict(line.split(": ") for line in first.splitlines())
    assert (lines["num_training_photos"], lines["num_validation_photos"]) == ("3", "2")  # files, in two sizes each
    assert len(lines["data_fingerprint"].strip("'")) == 12
    assert (fit(steps=2) / "hparams.yaml").read_text() == first
    (folder / "train" / "photo_0.png").rename(folder / "train" / "other.png")
    assert lines["data_fingerprint"] not in (fit(steps=3) / "hparams.yaml").read_text()


@pytest.mark.filterwarnings("ignore:Left out 1 training photos")
def test_photos_that_cannot_be_used_do_not_count(folder: Path) -> None:
    (folder / "train" / "broken.png").write_text("no picture")
    data = SuperResolutionDataModule(root=folder / "train", val_root=folder / "val", hr_crop_size=32)
    assert data.state_dict() == {}
    data.setup("fit")
    assert set(unpacked(data.state_dict()["training"])) == {f"photo_{number}.png" for number in range(3)}


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BEFORE, None),
        ({**BEFORE, "c.png": (30, 6)}, "1 photo changed (c.png)"),
        ({}, "3 photos removed (a.png, b.png, c.png)"),
        (
            {"a.png": (11, 0), "c.png": (30, 5), **{f"{number}.png": (1, 0) for number in range(5)}},
            "5 photos added (0.png, 1.png, 2.png, …), 1 removed (b.png), 1 changed (a.png)",
        ),
    ],
)
def test_changes_in_words(now: dict[str, tuple[int, int]], words: str | None) -> None:
    assert changes(BEFORE, now) == words


def test_fingerprint_tells_photos_and_their_roles_apart() -> None:
    assert fingerprint(BEFORE) == fingerprint(dict(reversed(BEFORE.items())))
    assert fingerprint(BEFORE, {}) != fingerprint({}, BEFORE)
    assert fingerprint(BEFORE) != fingerprint({**BEFORE, "a.png": (11, 0)})


def test_a_hundred_thousand_photos_take_few_megabytes(tmp_path: Path) -> None:
    files = {f"subset_{number % 37}/photo_{number:07d}.png": (number * 100, 0) for number in range(100_000)}
    torch.save(packed(files), tmp_path / "manifest.pt")
    assert (tmp_path / "manifest.pt").stat().st_size < 6e6
    assert unpacked(torch.load(tmp_path / "manifest.pt", weights_only=True)) == files


def test_odd_names_survive(tmp_path: Path) -> None:
    files = {"é ü\n.png": (1, 0), "\udcff.png": (2, 0), json.dumps("x"): (3, 0)}
    torch.save(packed(files), tmp_path / "manifest.pt")
    assert unpacked(torch.load(tmp_path / "manifest.pt", weights_only=True)) == files
    assert fingerprint(files)
