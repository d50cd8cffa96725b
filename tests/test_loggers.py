"""Tests of the W&B logger: online only where a key is configured, and never a question."""

from pathlib import Path

import pytest

from srgan.loggers import build_wandb_logger, has_wandb_key


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
