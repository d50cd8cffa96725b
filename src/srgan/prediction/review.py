"""Looking at what a run made: its page, and its scores against originals; read back from the written files."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srgan.evaluation.score_file import PREDICTED, SCORES
from srgan.inference.trust import undrawn
from srgan.pictures.browser_view import Rows, Seen, read_seen, reduce_rows
from srgan.pictures.resize import resize_rows, upscale
from srgan.pictures.rgb import read_image, to_uint8
from srgan.prediction.jobs import Job
from srgan.prediction.loop import Summary
from srgan.prediction.page import VIEWING_PIXELS, Entry, write_report
from srgan.prediction.sizes import Size
from srgan.system.device import available_memory

if TYPE_CHECKING:  # torchvision comes with it
    from srgan.prediction.references import References

PAGE = "index.html"
SCORED_PIXELS = 25_000_000  # of a result: those of a photo of 24 megapixels take 2.2 GB
_BYTES_PER_BIT = 2  # of a pixel's channel: what decoding a result takes at the peak, 10 to 12 and 20 to 27 measured
_BYTES_PER_SCORED_PIXEL, _BYTES_PER_IMAGE_PIXEL = 90, 12
_Scores = tuple[Mapping[str, Mapping[str, float]], Mapping[str, float]]  # of the results by method, and of bicubic
_TROUBLES = (OSError, ValueError, MemoryError, RuntimeError)  # that a picture, a disk, or a device can be in


@dataclass
class ReviewedSummary(Summary):
    """What came of a run and of looking at it.

    Args:
        unseen: A message for each result that could not be looked at.
        unscored: A message for each result with an original that it could not be scored against.
        trouble: Why there is no page or are no scores.
    """

    unseen: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    trouble: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all that was asked for is done."""
        return super().complete and not self.unseen and not self.unscored and self.trouble is None

    def __str__(self) -> str:
        lines = [super().__str__()]
        for what, messages in (("cannot be looked at", self.unseen), ("unscored", self.unscored)):
            if messages:
                lines += [f"{len(messages)} {what}:", *(f"  {each}" for each in messages)]
        if self.trouble is not None:
            lines.append(self.trouble)
        return "\n".join(lines)


@dataclass
class Review:
    """Goes through finished jobs and shows them.

    Args:
        references: Originals to score against, if there are any.
        method: What scores call the results, such as the name of the weights.
        seconds: By a job's name, how long it took; those of earlier runs are not known.
        scale: How many times the results are enlarged.
        max_pixels: The most pixels an input may have.
        page_title: What the page calls the run; None for no page.
        size: How large the results are; None for ``scale`` times.
    """

    references: "References | None"
    method: str
    seconds: Mapping[str, float]
    scale: int
    max_pixels: int
    page_title: str | None
    size: Size | None = None
    unseen: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)

    def conclude(self, summary: Summary, folder: Path) -> tuple[ReviewedSummary, str]:
        """Show and score all that is finished, also by earlier runs.

        Args:
            summary: What came of the run.
            folder: Where ``index.html`` and ``scores.json`` go.

        Returns:
            The summary, which tells what went wrong with the review, too; and where the page is, and the scores.
        """
        lines, trouble = [], None
        interrupted = summary.interrupted
        try:
            for line in self._steps(sorted([*summary.written, *summary.skipped], key=lambda job: job.name), folder):
                lines.append(line)
        except KeyboardInterrupt:
            interrupted = True
        except _TROUBLES as error:
            trouble = str(error) or type(error).__name__
        reviewed = ReviewedSummary(**vars(replace(summary, interrupted=interrupted)))
        reviewed.unseen, reviewed.unscored, reviewed.trouble = self.unseen, self.unscored, trouble
        return reviewed, "\n".join(lines)

    def _steps(self, jobs: Sequence[Job], folder: Path) -> Iterator[str]:
        """Do one thing after the other and tell of each."""
        entries = self._entries(jobs)
        if self.page_title is not None:
            write_report(folder / PAGE, entries, title=self.page_title)
            yield f"Page  {folder / PAGE}"
        deque(entries, maxlen=0)  # without a page they are only scored
        if self.references is None:
            return
        if not jobs:
            raise ValueError("There are no scores, since there is no result.")
        if self.references.any_scored or not (self.unscored or self.unseen):  # else it is told why there are none
            yield self.references.write(folder)

    def _entries(self, jobs: Iterable[Job]) -> Iterator[Entry]:
        for job in jobs:
            try:
                yield self._entry(job)
            except _TROUBLES as error:  # one that is too large, or that has changed in the meantime
                self.unseen.append(job.explained(error))

    def _entry(self, job: Job) -> Entry:
        lr = read_seen(job.source, max_pixels=self.max_pixels)
        size = (lr.size[0] * self.scale, lr.size[1] * self.scale) if self.size is None else self.size.of(lr.size)
        height, width = size
        _require_memory(height * width * lr.bits * _BYTES_PER_BIT)
        sr = read_seen(job.picture, max_pixels=2**62)  # its size was agreed to when it was made
        if sr.size != size:
            raise ValueError(f"Expected {job.picture} to be {width}x{height} pixels, got {sr.size[1]}x{sr.size[0]}.")
        small = lr.whole()
        hr, (scores, of_bicubic), unscored = self._scored(
            job.name, lr=small, results={self.method: sr.whole}, size=sr.size
        )

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

    def _scored(
        self, name: str, *, lr: Tensor, results: Mapping[str, Callable[[], Tensor]], size: tuple[int, int]
    ) -> tuple[Seen | None, _Scores, str | None]:
        """The original, the scores against it, and why there are none, which is noted."""
        hr, scores, unscored = self._measured(PurePath(name), lr=lr, results=results, size=size)
        if unscored is not None:
            self.unscored.append(f"{name}: {unscored}")
        return hr, scores, unscored

    def _measured(
        self, name: PurePath, *, lr: Tensor, results: Mapping[str, Callable[[], Tensor]], size: tuple[int, int]
    ) -> tuple[Seen | None, _Scores, str | None]:
        hr: Seen | None = None
        none: _Scores = ({}, {})
        if self.references is None:
            return hr, none, None
        height, width = size
        try:
            hr = self.references.read(name, size=size)
            if hr is None:
                return hr, none, None
            if height * width > SCORED_PIXELS:
                return hr, none, f"{height * width} pixels, and up to {SCORED_PIXELS} are scored"
            others = (len(results) - 1) * _BYTES_PER_IMAGE_PIXEL
            _require_memory(height * width * (_BYTES_PER_SCORED_PIXEL + others))
            bicubic = upscale(lr, self.scale).clamp(0, 1)
            images = {method: result() for method, result in results.items()}
            scores = self.references.score(name, lr=lr, bicubic=bicubic, results=images, hr=hr.whole())
        except _TROUBLES as error:
            return hr, none, str(error) or type(error).__name__
        return hr, scores, None


def bicubic_rows(lr: Tensor, size: tuple[int, int]) -> Rows:
    """Rows of an input as bicubic enlarges it, made as they are asked for.

    Args:
        lr: Float RGB in [0, 1], shape (1, 3, h, w).
        size: Height and width of the enlarged picture.
    """

    def rows(first: int, last: int) -> NDArray[np.uint8]:
        return to_uint8(resize_rows(lr, size, first, last)[0]).permute(1, 2, 0).contiguous().numpy()

    return rows


def _require_memory(needed: int) -> None:
    left = available_memory(torch.device("cpu"))
    if left is not None and needed > left:  # asked before, as many a system ends a process rather than say no
        raise MemoryError(f"this takes {needed / 1e9:.1f} GB of memory, and {left / 1e9:.1f} GB are free")


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
