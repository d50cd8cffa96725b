"""Tests of exact resume: a run that was killed and went on ends as one that was not, bit for bit."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer
from omegaconf import DictConfig

from srgan.data import SuperResolutionDataModule
from srgan.networks import Generator
from srgan.training import SRGAN, build_trainer
from srgan.training.callbacks import LastCheckpoint
from srgan.training.callbacks.flight_recorder import roll_back
from tests.forked import Script, run_script

NUM_STEPS, PRETRAIN_STEPS = 8, 4

MakeModel = Callable[..., SRGAN]
Command = Callable[..., list[str]]


class CopyEach(Callback):
    """Keep what a kill before each step would leave: the file of that moment."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == 0:
            return
        (last,) = (callback for callback in trainer.checkpoint_callbacks if isinstance(callback, LastCheckpoint))
        shutil.copy(last.path, last.path.with_name(f"step_{trainer.global_step}.ckpt"))


@pytest.fixture
def fit(make_model: MakeModel, photos: Path) -> Callable[..., Path]:
    """Train to the end, from the beginning or from a checkpoint."""

    def run(
        folder: Path,
        *,
        num_steps: int = NUM_STEPS,
        ckpt_path: Path | None = None,
        num_workers: int = 0,
        copies: bool = False,
        generator_channels: int = 4,
        **data: Any,
    ) -> Path:
        last = LastCheckpoint(dirpath=folder, every_n_steps=1)
        trainer = build_trainer(
            max_steps=num_steps,
            accelerator="cpu",
            devices=1,
            val_check_interval=3,
            callbacks=[CopyEach(), last] if copies else [last],
            default_root_dir=folder,
        )
        datamodule = SuperResolutionDataModule(
            root=photos,
            hr_crop_size=32,
            batch_size=2,
            num_crop_candidates=2,
            num_workers=num_workers,
            val_fraction=0.4,
            **data,
        )
        torch.manual_seed(0)
        generator = Generator(num_blocks=1, channels=generator_channels)
        model = make_model(pretrain_steps=PRETRAIN_STEPS, ema_decay=0.9, generator=generator)
        trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
        return last.path

    return run


def assert_same(one: Any, other: Any, where: str = "checkpoint") -> None:
    """Every tensor and number of two nested states is equal."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{index}]")
    else:
        assert one == other, where


def assert_same_run(one: Path, other: Path) -> None:
    """Networks, moving average and both optimizers ended alike."""
    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    for part in ("global_step", "state_dict", "optimizer_states", "learning_rate_scale"):
        assert_same(first[part], second[part], part)
    assert any(name.startswith("average.") for name in first["state_dict"])


@pytest.mark.parametrize("rolled_back", [False, True])
def test_changed_options_of_an_optimizer_take_effect(
    fit: Callable[..., Path], make_model: MakeModel, photos: Path, tmp_path: Path, rolled_back: bool
) -> None:
    before = fit(tmp_path / "before", num_steps=5)
    adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.6), eps=1e-4, weight_decay=0.1)
    model = make_model(pretrain_steps=PRETRAIN_STEPS, ema_decay=0.9, generator_optimizer=adam)
    trainer = build_trainer(max_steps=6, accelerator="cpu", devices=1, limit_val_batches=0, default_root_dir=tmp_path)
    datamodule = SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2, val_fraction=0.4)
    trainer.fit(model, datamodule=datamodule, ckpt_path=before, weights_only=True)
    if rolled_back:
        roll_back(trainer, model, before)
    (generator,), (discriminator,) = (optimizer.param_groups for optimizer in trainer.optimizers)
    assert (*generator["betas"], generator["eps"], generator["weight_decay"]) == (0.5, 0.6, 1e-4, 0.1)
    assert (*discriminator["betas"], discriminator["weight_decay"]) == (0.9, 0.999, 0)
    steps = {int(state["step"]) for state in trainer.optimizers[0].state.values()}
    assert steps == {1 if rolled_back else 2}  # their moments went on


def test_a_run_resumed_elsewhere_begins_with_a_checkpoint(fit: Callable[..., Path], tmp_path: Path) -> None:
    uninterrupted = fit(tmp_path / "whole", copies=True)
    step_3 = tmp_path / "whole" / "step_3.ckpt"
    resumed = fit(tmp_path / "other", ckpt_path=step_3, copies=True)
    first = tmp_path / "other" / "step_3.ckpt"  # a copy of last.ckpt before the first step there
    assert torch.load(first, weights_only=True)["global_step"] == 3
    assert_same_run(step_3, first)
    assert_same_run(uninterrupted, resumed)
    assert_same_run(uninterrupted, fit(tmp_path / "third", ckpt_path=first))


def test_going_on_after_any_step_is_exact(fit: Callable[..., Path], tmp_path: Path) -> None:
    uninterrupted = fit(tmp_path / "whole", copies=True)
    for step in range(1, NUM_STEPS):
        resumed = fit(tmp_path / f"from_{step}", ckpt_path=tmp_path / "whole" / f"step_{step}.ckpt")
        assert_same_run(uninterrupted, resumed)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_two_threads_repeat_a_run_and_go_on_exactly(fit: Callable[..., Path], tmp_path: Path, threads: int) -> None:
    wide = partial(fit, generator_channels=64)  # what is narrow is left to one thread
    uninterrupted = wide(tmp_path / "whole", copies=True)
    assert_same_run(uninterrupted, wide(tmp_path / "again"))
    for step in (2, 6):  # one in each phase
        resumed = wide(tmp_path / f"from_{step}", ckpt_path=tmp_path / "whole" / f"step_{step}.ckpt")
        assert_same_run(uninterrupted, resumed)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_that_read_ahead_change_nothing(fit: Callable[..., Path], tmp_path: Path) -> None:
    uninterrupted = fit(tmp_path / "whole", copies=True)
    resumed = fit(tmp_path / "again", ckpt_path=tmp_path / "whole" / "step_3.ckpt", num_workers=2)
    assert_same_run(uninterrupted, resumed)


def test_degraded_and_augmented_batches_go_on_exactly(
    fit: Callable[..., Path], compose_train: Callable[..., DictConfig], tmp_path: Path
) -> None:
    settings = compose_train("data/degradation=real", "data/augmentation=strong").data
    changes = {key: instantiate(settings[key], _convert_="all") for key in ("degradation", "augmentation")}
    whole = fit(tmp_path / "whole", num_steps=4, copies=True, **changes)
    resumed = fit(tmp_path / "again", num_steps=4, ckpt_path=tmp_path / "whole" / "step_2.ckpt", **changes)
    assert_same_run(whole, resumed)
    plain = torch.load(fit(tmp_path / "plain", num_steps=4), weights_only=True)["state_dict"]
    degraded = torch.load(whole, weights_only=True)["state_dict"]
    assert any(not torch.equal(plain[name], degraded[name]) for name in plain)


@pytest.fixture
def command(train_command: Command) -> Command:
    """The command line of a run of two phases with a checkpoint at each step."""
    settings = (
        "model.ema_decay=0.9",
        "model.pretrain_steps=20",
        "trainer.max_steps=40",
        "trainer.val_check_interval=20",
        "callbacks.last_checkpoint.every_n_steps=1",
    )
    return partial(train_command, *settings)


def run_to_the_end(line: list[str]) -> None:
    done = run_script(line)
    assert done.returncode == 0, done.stderr


def start_and_signal(line: list[str], run: Path, number: signal.Signals, *, at_step: int) -> int:
    """Start a run and send it, and what it started, a signal once its checkpoint has reached a step."""
    script = Script(line, own_group=True)
    last = run / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and script.poll() is None:
        if last.exists() and torch.load(last, weights_only=True)["global_step"] >= at_step:
            break
        time.sleep(0.05)
    os.killpg(script.pid, number)  # as a terminal and schedulers do
    return script.finish(timeout=120).returncode


def wait_for_saves(script: Script, last: Path, number: int) -> None:
    """Wait until a run has written so many checkpoints from now on."""

    def written() -> int:
        return last.stat().st_mtime_ns if last.exists() else 0

    for _ in range(number):
        before = written()
        while written() == before:
            assert script.poll() is None, script.finish().stderr
            time.sleep(0.001)


@pytest.mark.slow
def test_twelve_kills_at_random_moments_lose_nothing(command: Command, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    run_to_the_end(command("trainer.max_steps=80", f"hydra.run.dir={whole}"))
    line = command("trainer.max_steps=80", "resume=auto", f"hydra.run.dir={killed}")  # the same one each time
    last = killed / "checkpoints" / "last.ckpt"
    random = Random(0)
    steps = [0]
    for _ in range(12):
        script = Script(line)
        wait_for_saves(script, last, random.randint(1, 4))
        time.sleep(random.uniform(0, 0.03))  # anywhere in a step, or while a file is being written
        script.kill()
        assert script.finish().returncode == -signal.SIGKILL
        steps.append(torch.load(last, weights_only=True)["global_step"])
    assert all(before < after for before, after in pairwise(steps)), steps
    assert steps[2] < 20 < steps[-1]  # some kills in each phase
    run_to_the_end(line)
    assert_same_run(whole / "checkpoints" / "last.ckpt", last)
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_reader_never_sees_half_a_checkpoint(
    fit: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_disk = Path("/dev/shm")  # where a temporary file cannot be renamed into the run's folder, but is copied
    if other_disk.is_dir():
        monkeypatch.setattr(tempfile, "tempdir", str(other_disk))
    step_1 = fit(tmp_path, num_steps=1)
    content = step_1.read_bytes()
    with step_1.open("rb") as reader:
        assert fit(tmp_path, num_steps=2, ckpt_path=step_1) == step_1
        assert reader.read() == content  # the older file, whole, though the newer one has its place by now
    assert step_1.read_bytes() != content


@pytest.mark.slow
def test_two_processes_killed_in_each_phase_go_on_exactly(command: Command, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ("trainer.devices=2", "data.num_workers=2")
    run_to_the_end(command(*settings, f"hydra.run.dir={whole}"))
    line = command(*settings, f"hydra.run.dir={killed}")
    resume = f"ckpt_path={killed}/checkpoints/last.ckpt"
    assert start_and_signal(line, killed, signal.SIGKILL, at_step=3) == -signal.SIGKILL
    start_and_signal([*line, resume], killed, signal.SIGKILL, at_step=23)
    run_to_the_end([*line, resume])
    assert_same_run(whole / "checkpoints" / "last.ckpt", killed / "checkpoints" / "last.ckpt")


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_to_go_on_from(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = command("data.num_workers=2", "trainer.max_steps=100000", f"hydra.run.dir={run}")
    assert start_and_signal(line, run, signal.SIGTERM, at_step=3) == 128 + signal.SIGTERM
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] >= 3
