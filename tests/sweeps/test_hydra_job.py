"""Tests of srgan.sweeps.hydra_job: the command line of a job's further processes, and what a mistake is told as."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from srgan.commands.command_line import CONF
from srgan.sweeps.hydra_job import as_job, folder_of_settings, is_sweep, mistakes_in_a_sentence, place_in_sweep

Job = Callable[..., None]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Make Hydra take this process for a job with overrides."""

    def start(*overrides: str, mode: RunMode) -> None:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            cfg = compose("train", overrides=list(overrides), return_hydra_config=True)
        with open_dict(cfg):
            cfg.hydra.mode, cfg.hydra.sweep.dir, cfg.hydra.job.num = mode, str(tmp_path / "sweep"), 1
            cfg.hydra.job.config_name, cfg.hydra.runtime.output_dir = "train", str(tmp_path / "sweep" / "1")
            cfg.hydra.runtime.config_sources, cfg.hydra.runtime.choices = [], {}
            cfg.hydra.job.override_dirname = ",".join(overrides)
        HydraConfig.instance().set_config(cfg)

    before = HydraConfig.instance().cfg
    yield start
    HydraConfig.instance().cfg = before


@pytest.mark.parametrize(("program", "words"), [("bin/srgan", ["train"]), ("clone/train.py", [])])
def test_further_processes_start_as_the_first(
    job: Job, monkeypatch: pytest.MonkeyPatch, program: str, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "seed=3"])  # Hydra is not shown the command's name
    job("seed=3", mode=RunMode.RUN)
    with as_job("train"):
        assert sys.argv == [program, *words, "seed=3"]
    assert sys.argv == [program, "seed=3"]


@pytest.mark.parametrize(("program", "words"), [("bin/srgan", ["train"]), ("clone/train.py", [])])
def test_of_a_sweep_they_run_one_job(
    job: Job, monkeypatch: pytest.MonkeyPatch, program: str, words: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "-m", "seed=3,4"])
    job("seed=4", mode=RunMode.MULTIRUN)
    with as_job("train"):
        assert sys.argv == [program, *words, "--config-name=train", "seed=4", "hydra.mode=RUN"]
        assert HydraConfig.get().run.dir == str(tmp_path / "sweep" / "1")
    assert sys.argv == [program, "-m", "seed=3,4"]


def test_a_sweeps_job_knows_its_place(job: Job) -> None:
    assert not is_sweep()
    assert folder_of_settings() == ""
    assert place_in_sweep("wandb") == {}
    job("seed=4", mode=RunMode.MULTIRUN)
    assert is_sweep()
    assert folder_of_settings() == "seed=4"
    assert place_in_sweep("wandb") == {"group": "sweep", "name": "sweep/1"}
    assert place_in_sweep("csv") == {}


def test_a_mistake_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with (
        pytest.raises(SystemExit, match=r"^no such weights\n.HYDRA_FULL_ERROR=1"),
        mistakes_in_a_sentence("x", ValueError),
    ):
        raise ValueError("no such weights")
    with pytest.raises(SystemExit, match=r"^no such file$"), mistakes_in_a_sentence("x", OSError):
        raise FileNotFoundError("no such file")
    with (
        pytest.raises(SystemExit, match=r"Expected a value for data\.root: .* x data\.root=…"),
        mistakes_in_a_sentence("x"),
    ):
        OmegaConf.create({"data": {"root": "???"}}).data.root  # noqa: B018
    with pytest.raises(FileNotFoundError), mistakes_in_a_sentence("x", ValueError):
        raise FileNotFoundError("not one that a user can mend here")


def test_a_mistake_is_left_to_hydra_where_asked_for(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match=r"^wrong$"), mistakes_in_a_sentence("x", ValueError):
        raise ValueError("wrong")
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    job("seed=4", mode=RunMode.MULTIRUN)
    with pytest.raises(ValueError, match=r"^wrong$"), mistakes_in_a_sentence("x", ValueError):
        raise ValueError("wrong")
