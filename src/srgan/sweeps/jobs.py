"""Reads the jobs of a sweep from their folders: scores, status, and the job with the best trade-off."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped]

from srgan.evaluation.score_file import SCORES, read_scores

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

ERROR = "error.txt"
COLUMNS = ("name", "settings", "psnr_y", "ssim_y", "feature_distance", "status", "knee")


@dataclass(frozen=True)
class Job:
    """One job of a sweep; scores are means over the pictures for its last weights, NaN if missing."""

    name: str
    settings: str
    psnr_y: float
    ssim_y: float
    feature_distance: float
    features: str | None
    status: str
    folder: Path

    @property
    def perception(self) -> float:
        """Perception, lower is better: the feature distance, or 1 - SSIM without one."""
        return self.feature_distance if self.features else 1 - self.ssim_y


def read_jobs(sweep_dir: Path) -> list[Job]:
    """The jobs of a sweep, in order, finished or not.

    Raises:
        FileNotFoundError: If the folder has no jobs.
    """
    folders = [path for path in sweep_dir.glob("*") if (path / ".hydra").is_dir() or (path / SCORES).is_file()]
    if not folders:
        raise FileNotFoundError(f"Expected the jobs of a sweep in {sweep_dir}, found none.")
    folders.sort(key=lambda path: (0, int(path.name), "") if path.name.isdecimal() else (1, 0, path.name))
    overrides = {folder: _overrides(folder) for folder in folders}
    common = set.intersection(*(set(each) for each in overrides.values())) if len(folders) > 1 else set()
    return [_job(folder, [each for each in overrides[folder] if each not in common]) for folder in folders]


def knee(jobs: Sequence[Job]) -> Job | None:
    """The job closest to having the sweep's best scores on both axes, each scaled to the sweep's range."""
    finished = [job for job in jobs if job.status == "finished"]
    if not finished:
        return None
    psnr, perception = [job.psnr_y for job in finished], [job.perception for job in finished]

    def loss(value: float, best: float, worst: float) -> float:
        return 0.0 if best == worst else (value - best) / (worst - best)

    def distance(job: Job) -> float:
        distortion = loss(job.psnr_y, max(psnr), min(psnr))
        return math.hypot(distortion, loss(job.perception, min(perception), max(perception)))

    return min(finished, key=distance)


def table(jobs: Sequence[Job]) -> list[list[str | float]]:
    """A row per job with the values of ``COLUMNS``."""
    best = knee(jobs)
    return [[*(getattr(job, column) for column in COLUMNS[:-1]), job is best] for job in jobs]


def log_report(sweep_dir: Path, loggers: "Iterable[Logger]") -> None:
    """Log the table of all jobs so far to W&B, if that is among the loggers."""
    from lightning.pytorch.loggers import WandbLogger  # takes seconds, which making a report again does not need

    rows = table(read_jobs(sweep_dir))
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_table("sweep", columns=list(COLUMNS), data=rows)


def _job(folder: Path, settings: list[str]) -> Job:
    scores: dict[str, float] = {}
    features, status = None, "running"
    if (folder / SCORES).is_file():
        record = read_scores(folder)
        means = list(record["scores"].values())[-1]["mean"]  # of the last weights
        features, status = record["convention"]["feature_distance"], "finished"
        if without := [name for name, mean in means.items() if mean is None]:  # JSON has no infinity and no NaN
            status = f"trained, but not finite: {', '.join(without)}"
        scores = {name: mean for name, mean in means.items() if mean is not None}
    elif (folder / ERROR).is_file():
        status = "failed: " + (folder / ERROR).read_text(encoding="utf-8").strip().splitlines()[-1]
    return Job(
        name=folder.name,
        settings=" ".join(settings),
        psnr_y=scores.get("psnr_y", math.nan),
        ssim_y=scores.get("ssim_y", math.nan),
        feature_distance=scores.get("feature_distance", math.nan),
        features=features,
        status=status,
        folder=folder,
    )


def _overrides(folder: Path) -> list[str]:
    """The job's overrides, as Hydra stored them."""
    file = folder / ".hydra" / "overrides.yaml"
    noted = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return [str(each) for each in noted or []]
