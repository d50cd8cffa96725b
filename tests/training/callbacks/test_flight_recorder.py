"""Tests of the flight recorder: bad steps are dropped, written down and rolled back."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from srgan.data import SuperResolutionDataModule
from srgan.training import SRGAN, build_trainer
from srgan.training.artefacts import checkerboard, colour_drift
from srgan.training.callbacks import FlightRecorder, LastCheckpoint
from srgan.training.callbacks.flight_recorder import DivergedError

MakeModel = Callable[..., SRGAN]


class Poison(Callback):
    """Make some steps' HR pictures not a number, and note all parameters and buffers before and after each step."""

    def __init__(self, steps: range) -> None:
        self.steps = steps
        self.states: list[dict[str, Tensor]] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})
        if trainer.global_step in self.steps:
            batch["hr"].fill_(float("nan"))


@pytest.fixture
def fit(photos: Path, tmp_path: Path) -> Callable[..., Trainer]:
    def run(model: SRGAN, poison: Poison, *, steps: int, max_dropped: int, save_every: int = 1) -> Trainer:
        last = LastCheckpoint(dirpath=tmp_path, every_n_steps=save_every)
        recorder = FlightRecorder(
            dirpath=tmp_path / "recorder", checkpoint=tmp_path / "last.ckpt", max_dropped=max_dropped, max_rollbacks=1
        )
        trainer = build_trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            callbacks=[poison, recorder, last],
            default_root_dir=tmp_path,
            limit_val_batches=0,
        )
        trainer.fit(model, SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2, val_fraction=0.4))
        return trainer

    return run


def events(tmp_path: Path) -> list[tuple[int, str]]:
    with (tmp_path / "recorder" / "events.csv").open(encoding="utf-8") as file:
        return [(int(row["step"]), row["event"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("pretrain_steps", [0, 5])
def test_a_bad_step_changes_nothing_and_still_counts(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path, pretrain_steps: int
) -> None:
    poison = Poison(range(1, 2))
    model = make_model(pretrain_steps=pretrain_steps, ema_decay=0.9)
    trainer = fit(model, poison, steps=4, max_dropped=3)
    assert trainer.global_step == 4
    before, after, later = poison.states[1], poison.states[2], poison.states[3]
    assert [name for name, value in before.items() if not torch.equal(value, after[name])] == []
    assert any(not torch.equal(value, later[name]) for name, value in after.items())
    assert events(tmp_path) == [(2, "dropped")]
    batch = torch.load(tmp_path / "recorder" / "batch_0000002_0.pt", weights_only=True)
    assert batch["hr"].isnan().all()
    assert len(batch["name"]) == 2


def test_a_bad_step_seen_later_has_changed_nothing(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on accelerators, which a look at each step would keep waiting."""
    monkeypatch.setattr("srgan.training.updates.look_steps", lambda device: 4)
    adam = partial(torch.optim.Adam, lr=1e-3, fused=True)
    poison = Poison(range(1, 2))
    model = make_model(ema_decay=0.9, generator_optimizer=adam, discriminator_optimizer=adam)
    fit(model, poison, steps=5, max_dropped=3)
    before, after, later = poison.states[1], poison.states[2], poison.states[3]
    assert [name for name, value in before.items() if not torch.equal(value, after[name])] == []
    assert any(not torch.equal(value, later[name]) for name, value in after.items())
    assert events(tmp_path) == [(2, "dropped")]
    assert torch.load(tmp_path / "recorder" / "batch_0000002_0.pt", weights_only=True)["hr"].isnan().all()


def test_many_bad_steps_roll_back_to_the_last_good_state(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path
) -> None:
    poison, model = Poison(range(3, 5)), make_model()
    fit(model, poison, steps=7, max_dropped=2, save_every=2)
    assert events(tmp_path) == [(4, "dropped"), (5, "dropped"), (5, "rolled back")]
    good, rolled_back = poison.states[2], poison.states[5]  # saved after two steps; put back after the fifth
    assert all(torch.equal(value, rolled_back[name]) for name, value in good.items())
    assert model.learning_rate_scale == 0.5


def test_training_that_keeps_failing_stops_with_a_message(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path
) -> None:
    with pytest.raises(DivergedError, match=r"at step 6 the last 2 .* after 1 rollbacks.*batch_0000006_0\.pt"):
        fit(make_model(), Poison(range(2, 100)), steps=20, max_dropped=2)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2


def test_only_the_first_bad_batches_are_kept(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path
) -> None:
    fit(make_model(pretrain_steps=20), Poison(range(1, 14)), steps=15, max_dropped=100)
    assert len(events(tmp_path)) == 13
    kept = sorted(path.name for path in (tmp_path / "recorder").glob("*.pt"))
    assert kept == [f"batch_{step:07d}_0.pt" for step in range(2, 12)]


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("PytorchStreamWriter failed")])
def test_a_full_disk_does_not_stop_training(
    make_model: MakeModel,
    fit: Callable[..., Trainer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    (tmp_path / "recorder" / "events.csv").mkdir(parents=True)  # which cannot be written to
    monkeypatch.setattr("srgan.training.callbacks.flight_recorder.torch.save", Mock(side_effect=error))
    monkeypatch.setattr("srgan.training.callbacks.checkpoint.WholeFileIO.save_checkpoint", Mock())
    trainer = fit(make_model(pretrain_steps=20), Poison(range(1, 2)), steps=3, max_dropped=5)
    assert trainer.global_step == 3
    assert f"batch not saved: {error}" in caplog.text
    assert "could not be recorded" in caplog.text
    assert not list((tmp_path / "recorder").glob("*.pt"))


def test_a_discriminator_that_won_three_checks_is_an_event(tmp_path: Path) -> None:
    recorder = FlightRecorder(dirpath=tmp_path / "recorder", checkpoint=tmp_path / "last.ckpt")
    trainer, model = Mock(loggers=[], is_global_zero=True), Mock(non_finite_phases={}, has_looked=True)
    losses = [0.001, 0.001, 0.5, 0.001, 0.001, 0.001, 0.001]
    for look, loss in enumerate(losses, start=1):
        trainer.global_step, trainer.callback_metrics = 10 * look, {"train/discriminator_loss": torch.tensor(loss)}
        recorder.on_train_batch_end(trainer, model, None, {"lr": torch.zeros(1)}, 0)
    assert events(tmp_path) == [(60, "discriminator_loss")]


def test_colour_drift_is_the_largest_channels() -> None:
    lr = torch.rand(2, 3, 4, 4)
    sr = lr.repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert colour_drift(sr, lr) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([0.01, -0.03, 0.0]).view(1, 3, 1, 1)
    assert colour_drift(sr + shift, lr) == pytest.approx(0.03, abs=1e-6)


def test_checkerboard_sees_the_grid_and_nothing_else() -> None:
    smooth = torch.rand(1, 3, 4, 4).repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert checkerboard(smooth, 4) == pytest.approx(0, abs=1e-6)
    grid = torch.zeros(4, 4)
    grid[::2, ::2] = 0.4  # a quarter of the places: mean 0.1, standard deviation sqrt(0.03)
    assert checkerboard(smooth + grid.repeat(4, 4), 4) == pytest.approx(0.03**0.5, abs=1e-6)
