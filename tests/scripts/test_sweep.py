"""Tests of `train.py -m`: a folder, a W&B run and a row of the report for each job, and no trace of what is no job."""

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from srgan.sweeps.jobs import read_jobs
from tests.wandb_file import read_records

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def report(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "report.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir())


@pytest.mark.slow
def test_each_job_has_its_folder_its_wandb_run_and_its_row(run_train: Run, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    weights = "loss.adversarial_weight=1e-4,1e-3,1e-2"
    done = run_train(weights, "trainer.max_steps=2", "logger=default", f"hydra.sweep.dir={sweep}", sweep=True)
    assert done.returncode == 0, done.stderr
    assert folders(tmp_path) == ["sweep"]
    assert folders(sweep) == ["0", "1", "2"]

    rows = report(sweep)
    assert [row["name"] for row in rows] == ["0", "1", "2"]
    assert [float(row["settings"].removeprefix("loss.adversarial_weight=")) for row in rows] == [1e-4, 1e-3, 1e-2]
    assert {row["status"] for row in rows} == {"finished"}
    assert [row["knee"] for row in rows].count("True") == 1
    page = (sweep / "report.html").read_text(encoding="utf-8")
    assert page.count("<td>finished") == 3
    assert (sweep / "report.png").stat().st_size > 1000
    assert_one_wandb_run_for_each(sweep, 3)


def assert_one_wandb_run_for_each(sweep: Path, number: int) -> None:
    """Each job has one run, named after its place, in one group."""
    files = [list((sweep / str(job) / "wandb").glob("offline-run-*/*.wandb")) for job in range(number)]
    assert [len(each) for each in files] == [1] * number
    runs = [next(record.run for record in read_records(file) if record.HasField("run")) for (file,) in files]
    assert len({run.run_id for run in runs}) == number
    assert {run.run_group for run in runs} == {"sweep"}
    assert [run.display_name for run in runs] == [f"sweep/{job}" for job in range(number)]


@pytest.mark.slow
def test_a_configuration_that_makes_a_sweep_does_so_in_the_first_process_alone(run_train: Run, tmp_path: Path) -> None:
    search = tmp_path / "conf" / "hparams_search" / "mine.yaml"
    search.parent.mkdir(parents=True)
    search.write_text("# @package _global_\nhydra:\n  mode: MULTIRUN\n")
    sweep = tmp_path / "sweep"
    weights = ["hparams_search=mine", "loss.adversarial_weight=1e-4,1e-3"]
    settings = ["trainer.max_steps=2", "trainer.devices=2", "logger=default", f"hydra.sweep.dir={sweep}"]
    done = run_train(*weights, *settings, f"--config-dir={tmp_path / 'conf'}")
    assert done.returncode == 0, done.stderr
    assert folders(tmp_path) == ["conf", "sweep"]  # no second tree by a child that ran the sweep over
    assert folders(sweep) == ["0", "1"]
    assert [row["status"] for row in report(sweep)] == ["finished", "finished"]
    assert_one_wandb_run_for_each(sweep, 2)


@pytest.mark.slow
def test_a_job_that_fails_is_a_row_and_leaves_the_next_alone(run_train: Run, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    settings = ["trainer.max_steps=2", "trainer.devices=2", f"hydra.sweep.dir={sweep}"]
    done = run_train("model.num_micro_batches=3,1", *settings, sweep=True)  # 3 of 2 crops: fails within its first step
    assert done.returncode == 1
    assert folders(tmp_path) == ["sweep"]
    failed, good = report(sweep)
    assert failed["status"].startswith("failed: Expected data.batch_size to be a multiple of model.num_micro_batches=3")
    assert good["status"] == "finished"
    assert (sweep / "1" / "generator.safetensors").is_file()


@pytest.mark.slow
def test_a_setting_that_does_not_exist_is_named_before_any_job_starts(run_train: Run, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    done = run_train("loss.no_such=1,2", f"hydra.sweep.dir={sweep}", sweep=True)
    assert done.returncode == 1
    assert "Could not override 'loss.no_such'" in done.stderr
    assert "Traceback" not in done.stderr
    assert folders(sweep) == []
    with pytest.raises(FileNotFoundError, match="Expected the jobs of a sweep"):
        read_jobs(sweep)
