"""Looking at what runs made, picture by picture: a page and scores, whatever goes wrong with some of them."""

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor

from srgan.pictures.browser_view import Seen
from srgan.pictures.resize import upscale
from srgan.prediction.jobs import Job
from srgan.prediction.loop import Summary
from srgan.system.device import available_memory, choose_device

if TYPE_CHECKING:  # torchvision comes with it
    from srgan.prediction.pages.references import References

PAGE = "index.html"
SCORED_PIXELS = 25_000_000  # of a result: those of a photo of 24 megapixels take 2.2 GB
_BYTES_PER_SCORED_PIXEL, _BYTES_PER_IMAGE_PIXEL = 90, 12
_Scores = tuple[Mapping[str, Mapping[str, float]], Mapping[str, float]]  # of the results by method, and of bicubic
_TROUBLES = (OSError, ValueError, MemoryError, RuntimeError)  # that a picture, a disk, or a device can be in
EntryT = TypeVar("EntryT")


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
class Looking(ABC, Generic[EntryT]):
    """Goes through finished jobs and shows them.

    Args:
        references: Originals to score against, if there are any.
        scale: How many times the results are enlarged.
        max_pixels: The most pixels an input may have.
        page_title: What the page calls the run; None for no page.
    """

    references: "References | None"
    scale: int
    max_pixels: int
    page_title: str | None
    unseen: list[str] = field(default_factory=list, init=False)
    unscored: list[str] = field(default_factory=list, init=False)

    @abstractmethod
    def entry(self, jobs: Sequence[Job]) -> EntryT:
        """What the page shows of one picture; ``jobs`` are those that enlarged it."""

    @abstractmethod
    def write_page(self, path: Path, entries: Iterable[EntryT], *, title: str) -> None:
        """Write the page, whole or not at all."""

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
            for line in self._steps([*summary.written, *summary.skipped], folder):
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
            self.write_page(folder / PAGE, entries, title=self.page_title)
            yield f"Page  {folder / PAGE}"
        deque(entries, maxlen=0)  # without a page they are only scored
        if self.references is None:
            return
        if not jobs:
            raise ValueError("There are no scores, since there is no result.")
        if self.references.any_scored or not (self.unscored or self.unseen):  # else it is told why there are none
            yield self.references.write(folder)

    def _entries(self, jobs: Iterable[Job]) -> Iterator[EntryT]:
        by_picture = defaultdict(list)
        for job in jobs:
            by_picture[job.name].append(job)
        for _, same in sorted(by_picture.items()):
            try:
                yield self.entry(same)
            except _TROUBLES as error:  # one that is too large, or that has changed in the meantime
                self.unseen.append(same[0].explained(error))

    def scored(
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
            require_memory(height * width * (_BYTES_PER_SCORED_PIXEL + others))
            bicubic = upscale(lr, self.scale).clamp(0, 1)
            images = {method: result() for method, result in results.items()}
            scores = self.references.score(name, lr=lr, bicubic=bicubic, results=images, hr=hr.whole())
        except _TROUBLES as error:
            return hr, none, str(error) or type(error).__name__
        return hr, scores, None


def find_references(folder: str | None, scale: int, *, max_pixels: int, device: str) -> "References | None":
    """The originals to score against, where they are asked for; arguments are those of ``References``."""
    if folder is None:
        return None
    from srgan.prediction.pages.references import References

    return References(Path(folder), scale=scale, max_pixels=max_pixels, device=choose_device(device))


def require_memory(needed: int) -> None:
    """Make sure that so many bytes are free.

    Raises:
        MemoryError: If they are not.
    """
    left = available_memory(torch.device("cpu"))
    if left is not None and needed > left:  # asked before, as many a system ends a process rather than say no
        raise MemoryError(f"this takes {needed / 1e9:.1f} GB of memory, and {left / 1e9:.1f} GB are free")
