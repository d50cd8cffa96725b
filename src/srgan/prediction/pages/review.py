"""Looking at what a run made: its page, and its scores against originals; read back from the written files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from srgan.evaluation.score_file import PREDICTED, SCORES
from srgan.inference.trust import undrawn
from srgan.pictures.browser_view import Rows, Seen, read_seen, reduce_rows
from srgan.pictures.resize import resize_rows
from srgan.pictures.rgb import read_image, to_uint8
from srgan.prediction.jobs import Job
from srgan.prediction.loop import Summary
from srgan.prediction.pages.looking import PAGE, Looking, find_references, require_memory
from srgan.prediction.pages.page import VIEWING_PIXELS, Entry, write_report
from srgan.prediction.predict import Prediction
from srgan.prediction.sizes import Size

_BYTES_PER_BIT = 2  # of a pixel's channel: what decoding a result takes at the peak, 10 to 12 and 20 to 27 measured


def predict_and_review(
    *,
    ckpt: str,
    report: bool = False,
    reference: str | None = None,
    device: str = "auto",
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    size: str | None = None,
    shard: str | None = None,
    watch: bool = False,
    **settings: Any,
) -> Summary:
    """Enlarge pictures, then look at all results, also of earlier runs.

    Args:
        ckpt: Weights, as ``srgan.Upscaler`` takes them.
        report: Write ``index.html``, a page to look at the results.
        reference: Folder of originals to score the results against.
        device: ``auto`` or a torch device.
        max_pixels: The most pixels an input may have.
        overwrite: Replace files in the output folder that are not ours, or another picture's.
        size: As ``Prediction`` has it; only without ``reference``.
        shard: None: a part is not looked at.
        watch: False: what has no end is not looked at.
        settings: Further arguments of ``Prediction``.

    Returns:
        What came of each picture, and of the page and the scores.

    Raises:
        ValueError: If a setting or the weights cannot be used, or a file would be overwritten that is not ours.
        OSError: If there is nothing to read, or the output cannot be written to.
    """
    _require_possible(reference=reference, size=size, shard=shard, watch=watch)
    run = Prediction(ckpt=ckpt, device=device, max_pixels=max_pixels, overwrite=overwrite, size=size, **settings)
    # Before the work, since its folder may be misspelled.
    references = find_references(reference, run.scale, max_pixels=max_pixels * run.scale**2, device=device)
    if not overwrite:
        require_own(run.folder, page=report, scores=references is not None)
    summary = run.run()
    if summary.interrupted or summary.disk_full is not None:
        return summary
    title = f"Enlarged with {ckpt}" if report else None
    review = Review(references, run.scale, max_pixels, title, Path(ckpt).stem, summary.seconds, run.size)
    summary, told = review.conclude(summary, run.folder)
    if told:
        print(told)  # noqa: T201
    return summary


def _require_possible(*, reference: str | None, size: str | None, shard: str | None, watch: bool) -> None:
    if shard is not None:
        raise ValueError(
            "Expected report and reference without shard: they look at all parts. Give them once the parts are done;"
            " what is done is not done again."
        )
    if watch:
        raise ValueError("Expected report and reference without watch: they look at what a run has done at its end.")
    if size is not None and reference is not None:
        raise ValueError("Expected reference without size: results are scored as the network gives them.")


@dataclass
class Review(Looking[Entry]):
    """Goes through the finished jobs of one network.

    Args:
        references, scale, max_pixels, page_title: As ``Looking`` has them.
        method: What scores call the results, such as the name of the weights.
        seconds: By a job's name, how long it took; those of earlier runs are not known.
        size: How large the results are; None for ``scale`` times.
    """

    method: str
    seconds: Mapping[str, float]
    size: Size | None = None

    def entry(self, jobs: Sequence[Job]) -> Entry:
        """The picture of one job, which is all that ``jobs`` holds."""
        (job,) = jobs
        lr = read_seen(job.source, max_pixels=self.max_pixels)
        size = (lr.size[0] * self.scale, lr.size[1] * self.scale) if self.size is None else self.size.of(lr.size)
        sr, small = read_result(job, size=size, bits=lr.bits), lr.whole()
        hr, (scores, of_bicubic), unscored = self.scored(job.name, lr=small, results={self.method: sr.whole}, size=size)

        def shown(rows: Rows) -> Tensor:
            return reduce_rows(rows, size, max_pixels=VIEWING_PIXELS)

        return Entry(
            job.name,
            bicubic=shown(bicubic_rows(small, size)),
            sr=shown(sr.rows),
            reference=None if hr is None else shown(hr.rows),
            trust=undrawn(read_image(job.targets[0]), lr.size) if len(job.targets) > 1 else None,
            scores=scores.get(self.method, {}),
            bicubic_scores=of_bicubic,
            seconds=self.seconds.get(job.name),
            size=size,
            unscored=unscored,
        )

    def write_page(self, path: Path, entries: Iterable[Entry], *, title: str) -> None:
        """Write the page with a slider for each picture."""
        write_report(path, entries, title=title)


def read_result(job: Job, *, size: tuple[int, int], bits: int) -> Seen:
    """Read a result back to look at it.

    Args:
        job: The finished job.
        size: Height and width that the result is to have.
        bits: Depth of the input.

    Raises:
        MemoryError: If it is too large to be read.
        ValueError: If it is of another size.
    """
    height, width = size
    require_memory(height * width * bits * _BYTES_PER_BIT)
    sr = read_seen(job.picture, max_pixels=2**62)  # its size was agreed to when it was made
    if sr.size != size:
        raise ValueError(f"Expected {job.picture} to be {width}x{height} pixels, got {sr.size[1]}x{sr.size[0]}.")
    return sr


def bicubic_rows(lr: Tensor, size: tuple[int, int]) -> Rows:
    """Rows of an input as bicubic enlarges it, made as they are asked for.

    Args:
        lr: Float RGB in [0, 1], shape (1, 3, h, w).
        size: Height and width of the enlarged picture.
    """

    def rows(first: int, last: int) -> NDArray[np.uint8]:
        return to_uint8(resize_rows(lr, size, first, last)[0]).permute(1, 2, 0).contiguous().numpy()

    return rows


def require_own(folder: Path, *, page: bool, scores: bool) -> None:
    """Make sure that a page and scores, as far as they are to be written, are not over somebody else's.

    Raises:
        ValueError: If there is a file of that name that ``predict.py`` has not made.
    """
    for path in [folder / name for name, written in ((PAGE, page), (SCORES, scores)) if written]:
        if path.exists() and PREDICTED not in path.read_text(encoding="utf-8", errors="replace"):
            raise ValueError(
                f"Expected {path} to be from predict.py, which it is not: name another output folder, or set"
                " overwrite=true to replace it."
            )
