"""The report of a sweep: distortion against perception, a row and a picture per job, and the best trade marked.

Made again from the folders alone by ``python -m srgan.sweeps.report <sweep folder>``.
"""

import argparse
import base64
import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import yaml  # type: ignore[import-untyped]
from torch import Tensor

from srgan.evaluation.closing_test import DETAIL, ORIGINAL_DETAIL
from srgan.evaluation.score_file import SCORES
from srgan.pictures.rgb import read_image, write_image
from srgan.pictures.sheet import Panel, comparison_sheet
from srgan.system.files import atomic_write
from srgan.system.pages import page_template

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

matplotlib.use("Agg")  # before pyplot: a server has no screen
from matplotlib import pyplot

ERROR = "error.txt"
COLUMNS = ("name", "settings", "psnr_y", "ssim_y", "feature_distance", "status", "knee")


@dataclass(frozen=True)
class Job:
    """One job of a sweep; scores are those of its last weights, means over the pictures, NaN where there are none."""

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
        """What the report calls perception, lower is better: the feature distance, or 1 - SSIM without one."""
        return self.feature_distance if self.features else 1 - self.ssim_y


def read_jobs(sweep_dir: Path) -> list[Job]:
    """The jobs of a sweep, in order, finished or not.

    Raises:
        FileNotFoundError: If the folder holds no job.
    """
    folders = [path for path in sweep_dir.glob("*") if (path / ".hydra").is_dir() or (path / SCORES).is_file()]
    if not folders:
        raise FileNotFoundError(f"Expected the jobs of a sweep in {sweep_dir}, found none.")
    folders.sort(key=lambda path: (0, int(path.name), "") if path.name.isdecimal() else (1, 0, path.name))
    overrides = {folder: _overrides(folder) for folder in folders}
    common = set.intersection(*(set(each) for each in overrides.values())) if len(folders) > 1 else set()
    return [_job(folder, [each for each in overrides[folder] if each not in common]) for folder in folders]


def knee(jobs: Sequence[Job]) -> Job | None:
    """The job closest to where both scores would be the best of the sweep, each axis scaled to the sweep's range."""
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


def write_report(sweep_dir: Path) -> Path:
    """Write ``report.html`` (self-contained), ``report.png`` and ``report.csv`` into a sweep's folder.

    Args:
        sweep_dir: The folder that holds the jobs' folders.

    Returns:
        The path of the HTML report.

    Raises:
        FileNotFoundError: If the folder holds no job.
    """
    jobs = read_jobs(sweep_dir)
    best = knee(jobs)
    with atomic_write(sweep_dir / "report.csv") as file:
        writer = csv.writer(lines := io.StringIO(newline=""))
        writer.writerow(COLUMNS)
        writer.writerows(table(jobs))
        file.write(lines.getvalue().encode())
    with atomic_write(sweep_dir / "report.png") as file:
        file.write(_plot(jobs, best))
    pictures = _strip(jobs)
    if pictures is not None:
        write_image(sweep_dir / "report_pictures.png", pictures)
    report = sweep_dir / "report.html"
    with atomic_write(report) as file:
        page = page_template("sweep.html").render(
            title=sweep_dir.name,
            jobs=jobs,
            best=best,
            axis=_axis(jobs),
            plot=_data(sweep_dir / "report.png"),
            pictures=None if pictures is None else _data(sweep_dir / "report_pictures.png"),
        )
        file.write(page.encode())
    return report


def log_report(sweep_dir: Path, loggers: "Iterable[Logger]") -> None:
    """Log the table of all jobs so far, where a logger can show one: W&B's."""
    from lightning.pytorch.loggers import WandbLogger  # takes seconds, which making a report again need not

    rows = table(read_jobs(sweep_dir))
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_table("sweep", columns=list(COLUMNS), data=rows)


def _job(folder: Path, settings: list[str]) -> Job:
    scores: dict[str, float] = {}
    features, status = None, "running"
    if (folder / SCORES).is_file():
        record = json.loads((folder / SCORES).read_text(encoding="utf-8"))
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
    """What Hydra noted of the command line: a YAML list of texts."""
    file = folder / ".hydra" / "overrides.yaml"
    noted = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return [str(each) for each in noted or []]


def _axis(jobs: Sequence[Job]) -> str:
    return next((job.features for job in jobs if job.features), None) or "1 - SSIM on Y (no content loss in these jobs)"


def _plot(jobs: Sequence[Job], best: Job | None) -> bytes:
    figure, axes = pyplot.subplots(figsize=(7, 4.5), dpi=110)
    for job in jobs:
        if job.status == "finished":
            axes.scatter(job.psnr_y, job.perception, s=40, color="tab:blue")
            place = (job.psnr_y, job.perception)
            axes.annotate(
                job.settings or job.name, place, fontsize=8, xytext=(0, 10), textcoords="offset points", ha="center"
            )
    if best is not None:
        axes.scatter(best.psnr_y, best.perception, s=180, facecolors="none", edgecolors="tab:red", label="knee")
        axes.legend()
    axes.set_xlabel("PSNR on Y in dB: less distortion →")
    axes.set_ylabel(f"← closer to the eye's view\n{_axis(jobs)}", fontsize=8)
    axes.grid(alpha=0.3)
    axes.margins(0.25)  # for the points' names
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(nbins=5)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    pyplot.close(figure)
    return buffer.getvalue()


def _strip(jobs: Sequence[Job]) -> Tensor | None:
    shown = [job for job in jobs if (job.folder / DETAIL).is_file()]
    if not shown:
        return None
    rows = [[Panel(job.settings or job.name, read_image(job.folder / DETAIL))] for job in shown]
    return comparison_sheet([*rows, [Panel("original", read_image(shown[0].folder / ORIGINAL_DETAIL))]])


def _data(png: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}"


def main() -> None:
    """Make the report of a sweep's folder."""
    parser = argparse.ArgumentParser(description="Make the report of a sweep again, from its folder alone.")
    parser.add_argument("sweep_dir", type=Path, help="logs/train/multiruns/<date>_<time>")
    try:
        print(write_report(parser.parse_args().sweep_dir))  # noqa: T201 - a command
    except FileNotFoundError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
