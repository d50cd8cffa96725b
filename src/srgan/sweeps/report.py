"""The report of a sweep: distortion against perception, a row and a picture per job, and the best trade-off.

``python -m srgan.sweeps.report <sweep folder>`` makes it again from the folders.
"""

import argparse
import base64
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from torch import Tensor

from srgan.evaluation.closing_test import DETAIL, ORIGINAL_DETAIL
from srgan.pictures.rgb import read_image, write_image
from srgan.pictures.sheet import Panel, comparison_sheet
from srgan.sweeps.jobs import COLUMNS, Job, knee, read_jobs, table
from srgan.system.files import atomic_write
from srgan.system.pages import page_template

matplotlib.use("Agg")  # before pyplot: a server has no screen
from matplotlib import pyplot


def write_report(sweep_dir: Path) -> Path:
    """Write ``report.html`` (self-contained), ``report.png`` and ``report.csv`` into a sweep's folder.

    Args:
        sweep_dir: The folder of the jobs' folders.

    Returns:
        The path of the HTML report.

    Raises:
        FileNotFoundError: If the folder has no jobs.
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
    axes.set_ylabel(f"← better perception\n{_axis(jobs)}", fontsize=8)
    axes.grid(alpha=0.3)
    axes.margins(0.25)  # room for the points' labels
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
    parser = argparse.ArgumentParser(description="Make the report of a sweep again from its folder.")
    parser.add_argument("sweep_dir", type=Path, help="logs/train/multiruns/<date>_<time>")
    try:
        print(write_report(parser.parse_args().sweep_dir))  # noqa: T201 - a command
    except FileNotFoundError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
