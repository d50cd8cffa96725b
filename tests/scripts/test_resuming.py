"""Tests of train.py that resumes: what it takes, what it refuses, and what it says of changes."""

import errno
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from unittest.mock import Mock

import pytest
import torch
from omegaconf import DictConfig

from srgan import __version__
from srgan.commands import train
from srgan.weights import WeightsError, load_generator
from tests.scripts.logged import metrics, metrics_of_all_versions

Compose = Callable[..., DictConfig]


def test_resuming_goes_on_at_the_step_reached(compose_train: Compose, tmp_path: Path) -> None:
    train.train(compose_train("trainer.max_steps=3", "model.pretrain_steps=2"))
    ckpt = tmp_path / "run" / "checkpoints" / "last.ckpt"
    again = tmp_path / "again"
    cfg = compose_train("trainer.max_steps=5", "model.pretrain_steps=2", f"ckpt_path={ckpt}", f"output_dir={again}")
    train.train(cfg)
    assert torch.load(again / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5
    assert {int(row["step"]) for row in metrics(again)} == {3, 4}


@pytest.fixture(scope="module")
def run_of_one_step(compose_into: Compose, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one step, for all tests to copy."""
    run = tmp_path_factory.mktemp("one_step") / "run"
    train.train(compose_into(run, "trainer.max_steps=1"))
    return run


@pytest.fixture
def ckpt(run_of_one_step: Path, tmp_path: Path) -> Path:
    """The checkpoint of a run of one step in ``tmp_path / "run"``."""
    shutil.copytree(run_of_one_step, tmp_path / "run")
    return tmp_path / "run" / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ("generator.channels=8", "generator.channels was 4, now 8"),
        ("discriminator.channels=3", "discriminator.channels was 2, now 3"),
        ("model.ema_decay=null", "model.ema_decay was 0.999, now None"),
    ],
)
def test_a_checkpoint_of_another_architecture_says_which_setting_differs(
    compose_train: Compose, ckpt: Path, other: str, difference: str
) -> None:
    with pytest.raises(WeightsError, match=f"does not fit these settings. networks.* Different: {difference}\\.$"):
        train.train(compose_train("trainer.max_steps=2", other, f"ckpt_path={ckpt}"))


def test_code_hidden_in_a_checkpoint_is_not_run(compose_train: Compose, ckpt: Path, tmp_path: Path) -> None:
    boom = ckpt.with_name("boom")

    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
            return Path.touch, (boom,)

    torch.save({**torch.load(ckpt, weights_only=True), "bomb": Bomb()}, ckpt)
    with pytest.raises(WeightsError, match=rf"{ckpt} .* holds more than plain values.*\. Resume from another one"):
        train.train(compose_train("trainer.max_steps=2", f"ckpt_path={ckpt}"))
    train.train(compose_train("trainer.max_steps=1", "resume=auto", f"output_dir={tmp_path / 'again'}"))
    assert not boom.exists()
    torch.load(ckpt, weights_only=False)
    assert boom.exists()  # the file was a bomb indeed


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named_with_what_to_do(compose_train: Compose, ckpt: Path, share: float) -> None:
    content = ckpt.read_bytes()
    ckpt.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=rf"(?s){ckpt} .*Resume from another one, such as best\.ckpt next to it"):
        train.train(compose_train("trainer.max_steps=2", f"ckpt_path={ckpt}"))


def test_a_checkpoint_of_a_later_lightning_is_taken_with_a_warning(compose_train: Compose, ckpt: Path) -> None:
    torch.save({**torch.load(ckpt, weights_only=True), "pytorch-lightning_version": "99.0.0"}, ckpt)
    with pytest.warns(UserWarning, match=r"produced with Lightning v99\.0\.0, which is newer than your current"):
        train.train(compose_train("trainer.max_steps=2", f"ckpt_path={ckpt}"))
    assert torch.load(ckpt, weights_only=True)["global_step"] == 2


def test_a_checkpoint_of_a_later_version_is_tried_and_named_where_it_does_not_fit(
    compose_train: Compose, ckpt: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = torch.load(ckpt, weights_only=True)
    assert checkpoint["srgan_version"] == __version__
    torch.save({**checkpoint, "srgan_version": "99.0.0"}, ckpt)
    later = rf"a later version of this project, 99\.0\.0; this one is {__version__}"
    with pytest.raises(WeightsError, match=later):
        train.train(compose_train("trainer.max_steps=2", "discriminator.channels=4", f"ckpt_path={ckpt}"))
    caplog.clear()
    train.train(compose_train("trainer.max_steps=2", f"ckpt_path={ckpt}"))
    assert re.search(later, caplog.text)
    assert torch.load(ckpt, weights_only=True)["global_step"] == 2


@pytest.mark.usefixtures("ckpt")
def test_an_earlier_run_is_not_overwritten(compose_train: Compose) -> None:
    with pytest.raises(ValueError, match="already holds another run"):
        train.train(compose_train("trainer.max_steps=1"))


def test_going_on_from_a_folder_or_refusing_bare_weights(compose_train: Compose, ckpt: Path) -> None:
    run = ckpt.parents[1]
    train.train(compose_train("trainer.max_steps=2", f"ckpt_path={run}"))
    assert torch.load(ckpt, weights_only=True)["global_step"] == 2
    with pytest.raises(WeightsError, match="start from these weights with generator_weights="):
        train.train(compose_train(f"ckpt_path={run / 'generator.safetensors'}"))


def test_resume_auto_takes_the_newest_unfinished_run_of_the_same_kind(
    compose_train: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def run(name: str, *overrides: str) -> int:
        folder = tmp_path / "runs" / name
        train.train(compose_train("resume=auto", f"output_dir={folder}", *overrides))
        step = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
        assert isinstance(step, int)
        return step

    caplog.set_level("INFO")
    assert run("a", "trainer.max_steps=1") == 1
    assert run("b", "trainer.max_steps=2", "seed=1") == 2  # another kind: anew
    assert not (tmp_path / "runs" / "b" / "csv" / "version_1").exists()
    caplog.clear()
    assert run("c", "trainer.max_steps=2", "model.generator_optimizer.lr=1e-5") == 2
    assert "runs/a/checkpoints/last.ckpt" in caplog.text
    assert {int(row["step"]) for row in metrics(tmp_path / "runs" / "c")} == {1}
    assert "was 0.0005, now 1e-05" in caplog.text
    assert run("c", "trainer.max_steps=3") == 3  # in its own folder
    caplog.clear()
    run("p", "loss=pixel", "trainer.max_steps=5", "model.pretrain_steps=5")  # another loss: another kind
    assert "starting from scratch" in caplog.text
    caplog.clear()
    run("d", "trainer.max_steps=1")  # all of its kind are at their end
    assert "starting from scratch" in caplog.text


def test_resume_auto_repeats_nothing_that_is_done(
    compose_train: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def run(name: str, num_steps: int) -> None:
        caplog.clear()
        folder = tmp_path / "runs" / name
        train.train(compose_train("resume=auto", f"trainer.max_steps={num_steps}", f"output_dir={folder}"))

    caplog.set_level("INFO")
    last = tmp_path / "runs" / "b" / "checkpoints" / "last.ckpt"
    run("a", 1)
    run("b", 2)
    assert "Resuming from" in caplog.text
    before = last.stat().st_mtime_ns
    run("b", 2)  # the same command again, by a scheduler
    assert f"{tmp_path}/runs/b is finished, with all steps and scores: nothing to do" in caplog.text
    assert last.stat().st_mtime_ns == before
    run("c", 2)  # does not resume a, which b already resumed
    assert "starting from scratch" in caplog.text
    (last.parents[1] / "scores.json").unlink()
    run("b", 2)
    assert "all steps are done, the closing test follows" in caplog.text
    assert (last.parents[1] / "scores.json").is_file()
    assert last.stat().st_mtime_ns == before


def test_resume_auto_goes_on_where_a_continuation_has_not_come_to_its_first_step(
    compose_train: Compose, ckpt: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "origin.json").write_text('{"run": "../run", "step": 1}')  # killed before it began
    train.train(compose_train("resume=auto", "trainer.max_steps=2", f"output_dir={tmp_path / 'c'}"))
    assert {int(row["step"]) for row in metrics(tmp_path / "c")} == {1}
    assert json.loads((tmp_path / "c" / "origin.json").read_text()) == {"run": f"../{ckpt.parents[1].name}", "step": 1}


def test_resume_auto_makes_up_for_a_closing_test_that_was_cut_off(
    compose_train: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(name: str, num_steps: int) -> Path:
        folder = tmp_path / "runs" / name
        settings = (f"trainer.max_steps={num_steps}", "model.pretrain_steps=1", "resume=auto")
        train.train(compose_train(*settings, f"output_dir={folder}"))
        return folder

    def cut_off(name: str, num_steps: int) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr("srgan.evaluation.closing_test.evaluate", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(name, num_steps)
        return last.read_bytes()

    caplog.set_level("INFO")
    a = tmp_path / "runs" / "a"
    last = a / "checkpoints" / "last.ckpt"
    before = cut_off("a", 2)
    assert not (a / "scores.json").exists()
    other = run("b", 2)  # by a command that names its folder by the clock
    assert "all steps are done, the closing test follows in its folder" in caplog.text
    scores = json.loads((a / "scores.json").read_text())["scores"]
    assert set(scores) == {"bicubic", "best", "last"}
    assert scores["last"] == scores["best"]  # both of the last step, the only one that was validated
    assert load_generator(a / "generator.safetensors").config["num_blocks"] == 1
    assert (a / "samples" / "comparison.png").is_file()
    assert last.read_bytes() == before
    assert not list(other.glob("csv/*/metrics.csv"))  # no step was trained, here or there
    assert not (other / "checkpoints" / "last.ckpt").exists()

    before = cut_off("a", 3)  # longer, over scores of an earlier end
    run("a", 3)  # by a command that names its folder by the job
    assert json.loads((a / "scores.json").read_text())["step"] == 3
    assert last.read_bytes() == before
    caplog.clear()
    run("c", 3)
    assert "starting from scratch" in caplog.text


def test_changed_settings_are_reported_when_going_on(
    compose_train: Compose, ckpt: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = ckpt.parents[1]
    changed = ("model.generator_optimizer.lr=1e-5", "callbacks.plateau.patience=3", "trainer.max_steps=2")
    train.train(compose_train(*changed, f"ckpt_path={run}"))
    assert "model.generator_optimizer.lr was 0.0005, now 1e-05" in caplog.text
    assert "callbacks.plateau.patience was 10, now 3" in caplog.text
    rows = [row for row in metrics_of_all_versions(run) if row["train/generator_learning_rate"]]
    assert float(rows[-1]["train/generator_learning_rate"]) <= 1e-5


def test_a_new_folder_alone_is_no_changed_setting(
    compose_train: Compose, ckpt: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ("trainer.max_steps=2", f"ckpt_path={ckpt}", f"output_dir={tmp_path / 'elsewhere'}")
    train.train(compose_train(*settings))
    assert caplog.text.count("a changed setting") == 1
    assert "trainer.max_steps was 1, now 2" in caplog.text


@pytest.mark.parametrize("num_steps", [1, 2])
def test_a_run_at_its_end_has_nothing_to_train(
    compose_train: Compose, ckpt: Path, tmp_path: Path, num_steps: int
) -> None:
    if num_steps == 2:
        train.train(compose_train("trainer.max_steps=2", f"ckpt_path={ckpt}"))
    again = tmp_path / "again"
    message = rf"nothing left to train: .*last\.ckpt is at step {num_steps}, and trainer\.max_steps is 1\."
    with pytest.raises(ValueError, match=message):
        train.train(compose_train("trainer.max_steps=1", f"ckpt_path={ckpt}", f"output_dir={again}"))
    assert not (again / "generator.safetensors").exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_full_disk_is_said_once_with_the_file_and_how_to_go_on(
    compose_train: Compose, ckpt: Path, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    before = ckpt.read_bytes()
    if is_first:
        shutil.rmtree(ckpt.parents[1])

    def full(content: object, file: BinaryIO) -> None:
        file.write(b"half")
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 374336 vs 374232")

    monkeypatch.setattr("srgan.training.callbacks.checkpoint.torch.save", full)
    settings = ["trainer.max_steps=2", *([] if is_first else [f"ckpt_path={ckpt}"])]
    how = "the same command starts over" if is_first else f"Resume with: .*ckpt_path={ckpt.parents[1]}"
    with pytest.raises(ValueError, match=rf"No space left for .*\.ckpt: stopped at step [12]\. Free some\. .*{how}"):
        train.train(compose_train(*settings))
    assert is_first or ckpt.read_bytes() == before
    assert not list(ckpt.parent.glob(".unfinished*"))
