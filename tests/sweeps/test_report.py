"""Tests of a sweep's report: a row per job, failed ones too, and the knee where both scores are good."""

import csv
import html
import json
import math
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from omegaconf import OmegaConf

from srgan.evaluation.closing_test import DETAIL, ORIGINAL_DETAIL
from srgan.pictures.rgb import write_image
from srgan.sweeps.jobs import knee, log_report, read_jobs
from srgan.sweeps.report import write_report

FEATURES = "mean squared difference of vgg19 vgg54 features, weights: random"


def add_job(
    sweep: Path, number: int, psnr: float | None, distance: float | None = 0.0, *, features: bool = True
) -> None:
    """What train.py leaves of a job; one without a PSNR has failed."""
    job = sweep / str(number)
    (job / ".hydra").mkdir(parents=True)
    overrides = [f"loss.adversarial_weight={10 ** (number - 4)}", "experiment=quickstart"]
    (job / ".hydra" / "overrides.yaml").write_text("".join(f"- {each}\n" for each in overrides))
    if psnr is None:
        (job / "error.txt").write_text("Traceback …\n\nExpected a number, got <script>.\n")
        return
    mean = {"psnr_y": psnr, "ssim_y": 0.8, **({"feature_distance": distance} if features else {})}
    record = {
        "convention": {"feature_distance": FEATURES if features else None},
        "scores": {"last": {"mean": mean}},
    }
    (job / "scores.json").write_text(json.dumps(record))
    for name in (DETAIL, ORIGINAL_DETAIL):
        write_image(job / name, torch.full((1, 3, 20, 80), number / 10))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Least distortion, a good trade, the smallest distance, and a failure."""
    add_job(tmp_path, 0, 28.0, 1.0)
    add_job(tmp_path, 1, 27.8, 0.2)
    add_job(tmp_path, 2, 26.0, 0.0)
    add_job(tmp_path, 10, None)
    return tmp_path


def test_a_row_per_job_in_order_with_what_varies(sweep: Path) -> None:
    write_report(sweep)
    with (sweep / "report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["0", "1", "2", "10"]
    assert rows[0]["settings"] == "loss.adversarial_weight=0.0001"  # what all have in common is left out
    assert [row["knee"] for row in rows] == ["False", "True", "False", "False"]
    assert float(rows[1]["psnr_y"]) == 27.8
    assert math.isnan(float(rows[3]["psnr_y"]))
    assert rows[3]["status"] == "failed: Expected a number, got <script>."


@pytest.mark.parametrize(
    "quoted", ["data.root='a b'", 'data.root="it\'s"', "+model.note='#1: a, b'", "~callbacks.progress"]
)
def test_settings_are_shown_as_they_were_typed(tmp_path: Path, quoted: str) -> None:
    for number in range(2):
        add_job(tmp_path, number, 28.0)
    OmegaConf.save(OmegaConf.create([quoted]), tmp_path / "0" / ".hydra" / "overrides.yaml")  # as Hydra does
    assert read_jobs(tmp_path)[0].settings == quoted
    assert quoted in html.unescape(write_report(tmp_path).read_text(encoding="utf-8"))


def test_the_page_stands_alone_and_escapes_what_it_quotes(sweep: Path) -> None:
    page = write_report(sweep).read_text(encoding="utf-8")
    assert "best trade of this sweep is job 1" in page
    assert FEATURES in page
    assert page.count("data:image/png;base64,") == 2  # the plot and the details
    assert "<script>" not in page
    assert "http" not in page
    assert (sweep / "report.png").stat().st_size > 1000


def test_a_job_without_finite_scores_is_a_row_and_no_candidate(sweep: Path) -> None:
    add_job(sweep, 11, 27.9, None)
    page = write_report(sweep).read_text(encoding="utf-8")
    assert "best trade of this sweep is job 1" in page
    *_, job = read_jobs(sweep)
    assert job.status == "trained, but not finite: feature_distance"
    assert job.psnr_y == 27.9
    assert math.isnan(job.feature_distance)


def test_wandb_gets_the_table_with_the_knee(sweep: Path) -> None:
    logger = Mock(spec=WandbLogger)
    log_report(sweep, [logger])
    (table,) = (call.kwargs for call in logger.log_table.call_args_list)
    assert table["columns"][-1] == "knee"
    assert [row[-1] for row in table["data"]] == [False, True, False, False]


def test_without_a_content_loss_structure_stands_in(tmp_path: Path) -> None:
    add_job(tmp_path, 0, 28.0, features=False)
    add_job(tmp_path, 1, 27.0, features=False)
    best = knee(read_jobs(tmp_path))
    assert best is not None
    assert best.name == "0"
    assert "1 - SSIM" in write_report(tmp_path).read_text(encoding="utf-8")


def test_a_sweep_where_nothing_finished_says_so(tmp_path: Path) -> None:
    add_job(tmp_path, 0, None)
    assert knee(read_jobs(tmp_path)) is None
    assert "No job has finished." in write_report(tmp_path).read_text(encoding="utf-8")


def test_a_folder_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected the jobs of a sweep"):
        write_report(tmp_path)
