"""Tests of what happens around the training steps: checkpoints, pictures, throughput."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from srgan.pictures.rgb import read_image
from srgan.training import SRGAN
from srgan.training.callbacks import BestCheckpoint, LastCheckpoint, Snapshots, Throughput, ValidationPictures
from srgan.training.callbacks.throughput import in_words
from srgan.weights import load_generator

MakeModel = Callable[..., SRGAN]
Fit = Callable[..., Trainer]


class Interrupt(Callback):
    """Ctrl-C, or an error, at a step."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.step, self.error = step, error

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            raise self.error


def saved_step(path: Path) -> int:
    step = torch.load(path, weights_only=True)["global_step"]
    assert isinstance(step, int)
    return step


def test_last_checkpoint_is_the_final_state(make_model: MakeModel, fit: Fit, tmp_path: Path) -> None:
    fit(make_model(), steps=3, callbacks=(LastCheckpoint(dirpath=tmp_path, every_n_steps=2),), val_check_interval=2)
    assert saved_step(tmp_path / "last.ckpt") == 3
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["last.ckpt"]


@pytest.mark.parametrize(("error", "raised"), [(KeyboardInterrupt(), SystemExit), (OSError("broken"), OSError)])
def test_last_checkpoint_survives_an_interruption(
    make_model: MakeModel, fit: Fit, tmp_path: Path, error: BaseException, raised: type[BaseException]
) -> None:
    last = LastCheckpoint(dirpath=tmp_path, every_n_steps=100)
    with pytest.raises(raised):
        fit(make_model(), steps=5, callbacks=(last, Interrupt(2, error)), val_check_interval=2)
    assert saved_step(tmp_path / "last.ckpt") == 2


def test_best_checkpoint_is_the_one_with_the_best_score(make_model: MakeModel, fit: Fit, tmp_path: Path) -> None:
    scores: dict[int, float] = {}

    class Note(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            scores[trainer.global_step] = float(trainer.callback_metrics["val/psnr_y"])

    fit(make_model(), steps=6, callbacks=(BestCheckpoint(dirpath=tmp_path), Note()), val_check_interval=2)
    assert set(scores) == {2, 4, 6}
    assert saved_step(tmp_path / "best.ckpt") == max(scores, key=lambda step: scores[step])


def test_pictures_show_four_columns_for_each_photo(make_model: MakeModel, fit: Fit, tmp_path: Path) -> None:
    pictures = ValidationPictures(dirpath=tmp_path / "samples", num_pictures=1, window_size=32)
    fit(make_model(), steps=2, callbacks=(pictures,), val_check_interval=2)
    (path,) = (tmp_path / "samples").iterdir()
    assert path.name == "step_0000002.png"
    sheet = read_image(path)
    assert sheet.shape[-1] == 4 * 32 + 3 * 6  # LR, bicubic, SR, HR and the gaps between them
    assert sheet.shape[-2] == 32 + 26  # one row and its caption


def test_speed_is_logged_and_the_rest_of_each_phase_forecast(
    make_model: MakeModel, fit: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    logger = CSVLogger(tmp_path, name="csv")
    model = make_model(pretrain_steps=11)
    trainer = fit(model, steps=23, callbacks=(Throughput(),), val_check_interval=2, logger=(logger,))
    assert trainer.callback_metrics["train/images_per_second"] > 0
    assert 0 <= trainer.callback_metrics["train/data_wait_percent"] <= 100
    assert 0.05 < trainer.callback_metrics["train/peak_memory_gb"] < 50
    forecasts = [record.getMessage() for record in caplog.records if " left in " in record.getMessage()]
    assert [each.split(":")[0] for each in forecasts] == ["Pretraining", "Adversarial phase"]
    assert " left in pretraining, 12 longer steps follow, peak " in forecasts[0]
    assert " left in the run, peak " in forecasts[1]
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        hours = [(row["step"], row["train/forecast_hours"]) for row in csv.DictReader(file)]
    assert [step for step, value in hours if value] == ["9", "20"]
    assert all(0 < float(value) < 0.1 for _, value in hours if value)


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (720, "12 min"), (31 * 3600, "31 h"), (4.2 * 86400, "4.2 days")]
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_snapshots_hold_the_generator_of_the_last_validations(make_model: MakeModel, fit: Fit, tmp_path: Path) -> None:
    model = make_model()
    fit(model, steps=4, callbacks=(Snapshots(dirpath=tmp_path / "kept", num_kept=2),), val_check_interval=1)
    files = sorted((tmp_path / "kept").iterdir())
    assert [file.name for file in files] == ["step_0000003.safetensors", "step_0000004.safetensors"]
    last = load_generator(files[-1]).state_dict()
    for name, value in model.generator.state_dict().items():
        torch.testing.assert_close(last[name], value, rtol=1e-3, atol=1e-4)  # float16


def test_no_snapshots_are_written_unless_asked_for(make_model: MakeModel, fit: Fit, tmp_path: Path) -> None:
    fit(make_model(), steps=1, callbacks=(Snapshots(dirpath=tmp_path / "kept", num_kept=0),))
    assert not (tmp_path / "kept").exists()
