"""Tests of the W&B logger: online only where a key is configured, never a question, and never the end of a run."""

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import wandb

from srgan.training.loggers import build_wandb_logger, finish_wandb, has_wandb_key


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any W&B setting."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_without_a_key_runs_stay_on_disk(tmp_path: Path) -> None:
    assert not has_wandb_key()
    assert build_wandb_logger(project="p", save_dir=tmp_path)._offline


def test_a_key_in_the_environment_goes_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert not build_wandb_logger(project="p", save_dir=tmp_path)._offline


def test_a_key_in_netrc_counts_for_its_host_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.wandb.ai login user password secret\n")
    netrc.chmod(0o600)
    assert has_wandb_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not has_wandb_key()


def test_the_users_mode_wins_over_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert build_wandb_logger(project="p", save_dir=tmp_path)._offline


@pytest.fixture
def no_service() -> Iterator[None]:
    """Without W&B's process before, and without it after."""
    wandb.teardown()
    yield
    wandb.teardown()
    gc.collect()  # here, where its warning is expected


def wandb_service() -> int:
    """The number of W&B's own process."""
    own = Path(f"/proc/{os.getpid()}/task")
    children = [int(child) for file in own.glob("*/children") for child in file.read_text().split()]
    (service,) = (child for child in children if b"wandb-core" in Path(f"/proc/{child}/cmdline").read_bytes())
    return service


@pytest.mark.usefixtures("no_service")
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # W&B's Popen of what was killed
def test_a_dead_service_is_reported_once_and_spares_the_next_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = build_wandb_logger(project="p", save_dir=tmp_path / "first")
    logger.log_metrics({"a": 1.0}, step=0)
    os.kill(wandb_service(), signal.SIGKILL)
    for step in range(3):
        logger.log_metrics({"a": 1.0}, step=step)
        print("a line on the console, which W&B would copy")  # noqa: T201
    logger.log_hyperparams({"b": 2})
    logger.log_table("table", columns=["c"], data=[[3]])
    logger.log_image("picture", ["nowhere.png"])
    logger.finalize("success")
    finish_wandb(exit_code=0)
    assert caplog.text.count("is now off; training continues") == 1
    caplog.clear()
    print("a line")  # noqa: T201
    time.sleep(0.1)  # for W&B's thread
    assert not caplog.text

    other = build_wandb_logger(project="p", save_dir=tmp_path / "second")
    other.log_metrics({"a": 1.0}, step=0)
    assert list((tmp_path / "second").glob("wandb/offline-run-*/*.wandb"))
    finish_wandb(exit_code=0)
    assert not caplog.text


def test_an_end_that_takes_too_long_is_said_and_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wandb.finish", Mock(side_effect=TimeoutError("Timed out finishing run.")))
    finish_wandb(exit_code=0)
    assert "could not be finished (TimeoutError: Timed out finishing run.)" in caplog.text


def test_the_end_of_a_run_waits_for_minutes_at_most(tmp_path: Path) -> None:
    settings = build_wandb_logger(project="p", save_dir=tmp_path)._wandb_init["settings"]
    assert 0 < settings.finish_timeout <= 600
    assert settings.finish_timeout_raises
