"""Tests of train.py as a user runs it: what a run leaves behind, how it ends when it is stopped, and bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from srgan.commands import train
from srgan.pictures.rgb import read_image
from srgan.weights import WeightsError, load_generator, read_metadata
from tests.forked import Script
from tests.scripts.logged import metrics

PROJECT = Path(__file__).parents[2]
Compose = Callable[..., DictConfig]
Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_run_leaves_what_the_design_promises(compose_train: Compose, tmp_path: Path) -> None:
    outcome = train.train(compose_train("trainer.max_steps=4", "model.pretrain_steps=2"))
    run = tmp_path / "run"
    generator = load_generator(run / "generator.safetensors")
    assert generator.config["num_blocks"] == 1
    assert read_metadata(run / "generator.safetensors") == {"steps": "4"}
    for name in ("last.ckpt", "best.ckpt"):
        assert torch.load(run / "checkpoints" / name, weights_only=True)["global_step"] == 4
    content = json.loads((run / "scores.json").read_text())
    assert set(content["scores"]) == {"bicubic", "best", "last"}
    assert len(content["scores"]["last"]) == 2 + 1  # two validation photos and the mean
    mean = content["scores"]["last"]["mean"]
    assert outcome == (mean["psnr_y"], mean["feature_distance"])
    assert content["convention"]["feature_distance"].endswith("vgg22 features, weights: random")
    assert read_image(run / "samples" / "comparison.png").shape[1] == 3
    assert (run / "samples" / "step_0000004.png").is_file()
    rows = metrics(run)
    assert {int(row["step"]) for row in rows} == {0, 1, 2, 3}
    assert {int(row["step"]) for row in rows if row["train/discriminator_loss"]} == {2, 3}
    assert any(row["val/psnr_y"] for row in rows)


def test_a_fast_debug_run_passes_through_everything(compose_train: Compose, tmp_path: Path) -> None:
    train.train(compose_train("debug=fast", "data=sample", "data.cache_gigabytes=0"))
    run = tmp_path / "run"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    assert set(json.loads((run / "scores.json").read_text())["scores"]) == {"bicubic", "last"}


@pytest.mark.parametrize("nulls", [("+logger.wandb=null", "callbacks.pictures=null"), ("~logger",)])
def test_loggers_and_callbacks_that_are_null_are_left_out(
    compose_train: Compose, tmp_path: Path, nulls: tuple[str, ...]
) -> None:
    train.train(compose_train("loss=pixel", "trainer.max_steps=1", "model.pretrain_steps=1", *nulls))
    run = tmp_path / "run"
    assert (run / "scores.json").is_file()
    assert (run / "csv").exists() == ("~logger" not in nulls)
    assert bool(list((run / "samples").glob("step_*"))) == ("~logger" in nulls)


def test_the_best_can_be_chosen_by_perception(compose_train: Compose, tmp_path: Path) -> None:
    best = ("callbacks.best_checkpoint.monitor=val/detail_distance", "callbacks.best_checkpoint.mode=min")
    steps = ("trainer.max_steps=4", "model.pretrain_steps=2", "trainer.val_check_interval=1")
    train.train(compose_train(*best, *steps))
    logged = (row["val/detail_distance"] for row in metrics(tmp_path / "run"))
    distances = [float(distance) for distance in logged if distance]
    kept = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert len(distances) == 4
    assert kept["global_step"] == 1 + distances.index(min(distances))
    with pytest.raises(
        ValueError, match=r"Expected a content loss .* set callbacks\.best_checkpoint\.monitor=val/psnr_y"
    ):
        train.train(compose_train("loss=pixel", *best, *steps, f"output_dir={tmp_path / 'other'}"))


def test_a_profiled_run_says_where_its_time_went(compose_train: Compose, tmp_path: Path) -> None:
    train.train(compose_train("debug=profiler", "trainer.max_steps=2", "model.pretrain_steps=1"))
    assert "training_step" in (tmp_path / "run" / "fit-seconds.txt").read_text()


def test_adversarial_phase_starts_from_given_weights(compose_train: Compose, tmp_path: Path) -> None:
    train.train(compose_train("experiment=srresnet", "data=folder", "trainer.max_steps=2"))
    pretrained = load_generator(tmp_path / "run")
    again = tmp_path / "again"
    cfg = compose_train(
        "trainer.max_steps=1",
        "model.pretrain_steps=0",
        "model.generator_optimizer.lr=0",
        f"generator_weights={tmp_path / 'run'}",
        f"output_dir={again}",
    )
    train.train(cfg)
    for name, value in load_generator(again).state_dict().items():
        assert torch.equal(value, pretrained.state_dict()[name])


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["data.root=nowhere"], InstantiationException, "Expected a folder of pictures, but nowhere does not exist"),
        (["ckpt_path=nowhere.ckpt"], WeightsError, "nowhere.ckpt"),
        (["generator_weights=nowhere"], WeightsError, "nowhere does not exist"),
    ],
)
def test_missing_input_is_named(
    compose_train: Compose, overrides: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train.train(compose_train("trainer.max_steps=1", *overrides))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_how_to_go_on(
    compose_train: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    stop = ["+callbacks.stop._target_=tests.stopping.StopAt", f"+callbacks.stop.number={int(number)}"]
    # Which must not be drawn below the line.
    bar = "+callbacks.progress._target_=srgan.training.callbacks.StepProgressBar"
    cfg = compose_train("trainer.max_steps=9", bar, *stop)
    before = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit):
            train.train(cfg)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    run = tmp_path / "run"
    step = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert step == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("Stopped at step 2. Resume with: ")
    assert " train " in line
    assert line.endswith(f" ckpt_path={run}")


@pytest.mark.slow
def test_train_then_predict_from_the_command_line(train_command: Command, photos: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    line = train_command("trainer.max_steps=2", "logger=default", f"hydra.run.dir={run}")
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.rstrip().splitlines()[-1]
    assert last_line.startswith("Next: ")
    assert list(run.glob("wandb/offline-run-*/*.wandb"))
    picture = photos / "photo_0.png"
    predict = [sys.executable, str(PROJECT / "predict.py")]
    arguments = [f"ckpt={run}/checkpoints/last.ckpt", f"input={picture}", f"output={out}"]
    done = subprocess.run([*predict, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_image(out / "photo_0.png").shape == (1, 3, 256, 320)


@pytest.mark.slow
def test_interrupt_leaves_a_resumable_checkpoint(train_command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = train_command("trainer.max_steps=100000", f"hydra.run.dir={run}")
    script = Script(line, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list(run.glob("csv/*/metrics.csv")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(script.pid, signal.SIGINT)
    done = script.finish()
    assert done.returncode != 0
    step = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert step > 0, done.stderr


@pytest.mark.slow
def test_a_users_mistake_ends_in_one_message(run_train: Run, tmp_path: Path) -> None:
    done = run_train("data.root=nowhere", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 1
    assert "Expected a folder of pictures, but nowhere does not exist." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_runs_of_one_second_do_not_mix(train_command: Command, tmp_path: Path) -> None:
    folder = "hydra.run.dir=runs/${now:%Y}"  # a slow clock
    lines = [train_command("trainer.max_steps=1", f"seed={seed}", folder) for seed in (1, 2)]
    for script in [Script(line, cwd=tmp_path) for line in lines]:
        done = script.finish()
        assert done.returncode == 0, done.stderr
    folders = sorted((tmp_path / "runs").iterdir())
    assert [len(list(each.glob("csv/*"))) for each in folders] == [1, 1]
    seeds = [
        line for each in folders for line in (each / ".hydra/overrides.yaml").read_text().split() if "seed" in line
    ]
    assert sorted(seeds) == ["seed=1", "seed=2"]
