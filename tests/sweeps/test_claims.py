"""Tests of the folders of runs: each has its own, taken before anything is written there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import BaseFileLock, SoftFileLock
from hydra import compose, initialize_config_dir

from srgan.sweeps import claims
from srgan.sweeps.claims import OwnFolder

PROJECT = Path(__file__).parents[2]
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")

Start = Callable[..., Any]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[BaseFileLock]]:
    """What runs of this test hold; a run ends where its lock is released. The current folder is the test's."""
    files: list[BaseFileLock] = []
    monkeypatch.setattr(claims, "_held", files)
    monkeypatch.chdir(tmp_path)
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    yield files
    for file in files:
        file.release()


def start(*overrides: str, sweep: bool = False) -> Any:
    """Hydra's settings as a run with these overrides gets them."""
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        config = compose("train", overrides=list(overrides), return_hydra_config=True)
    (OwnFolder().on_multirun_start if sweep else OwnFolder().on_run_start)(config)
    return config.hydra


BY_CLOCK = "hydra.run.dir=runs/${now:%Y}"  # a clock so slow that all start within one of its ticks


@pytest.mark.usefixtures("held")
def test_runs_of_one_second_have_a_folder_each(tmp_path: Path) -> None:
    folders = [Path(start(BY_CLOCK).run.dir) for _ in range(3)]
    assert [folder.name for folder in folders] == [f"{folders[0].name}{behind}" for behind in ("", "_2", "_3")]
    assert all((tmp_path / folder).is_dir() for folder in folders)


def test_a_folder_by_the_clock_is_new_even_without_locks(
    held: list[BaseFileLock], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(claims, "hold", lambda path: SoftFileLock(path))
    assert start(BY_CLOCK).run.dir != start(BY_CLOCK).run.dir
    assert len(held) == 2


@pytest.mark.usefixtures("held")
def test_the_folder_of_the_recipe_is_one_by_the_clock(tmp_path: Path) -> None:
    hydra = start()
    Path(hydra.run.dir).rename(tmp_path / "away")
    assert Path(hydra.run.dir).parent == Path("logs/train/runs")
    hydra = start(sweep=True)
    assert Path(hydra.sweep.dir).parent == Path("logs/train/multiruns")


@pytest.mark.usefixtures("held")
def test_sweeps_started_in_one_second_get_separate_folders() -> None:
    first, second = (start(r"hydra.sweep.dir='it\'s/${now:%Y}'", sweep=True) for _ in range(2))
    assert second.sweep.dir == f"{first.sweep.dir}_2"
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):  # as Hydra does for each job
        job = compose("train", overrides=list(second.overrides.hydra), return_hydra_config=True)
    assert job.hydra.sweep.dir == second.sweep.dir


def test_a_named_folder_is_refused_while_a_run_is_at_work_there(held: list[BaseFileLock], tmp_path: Path) -> None:
    start("hydra.run.dir=mine")
    with pytest.raises(SystemExit, match=r"Another run is using mine\. Wait for its end, or choose another folder"):
        start("hydra.run.dir=mine")
    with pytest.raises(SystemExit, match="Another run is using mine"):
        start("hydra.sweep.dir=mine", sweep=True)
    held.pop().release()  # killed, say
    assert start("hydra.run.dir=mine").run.dir == "mine"  # to be resumed


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("variable", RANKS)
def test_further_processes_of_a_run_use_its_folder(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, "0")
    start("hydra.run.dir=mine")
    monkeypatch.setenv(variable, "3")
    hydra = start("hydra.run.dir=mine")
    assert (hydra.run.dir, hydra.output_subdir) == ("mine", None)


@pytest.mark.usefixtures("held")
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"Cannot create the run's folder file: .*Choose another"):
        start("hydra.run.dir=file")
