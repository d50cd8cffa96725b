"""Looking at what a run made: its page, and its scores against originals; read back from the written files."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from torch import Tensor

from srgan.images import read_image
from srgan.inference.trust import undrawn
from srgan.pictures import read_pictures
from srgan.prediction.jobs import Job
from srgan.prediction.run import Summary
from srgan.report import Entry, write_report
from srgan.resize import upscale
from srgan.score_file import PREDICTED, SCORES

if TYPE_CHECKING:  # torchvision comes with it
    from srgan.references import References

PAGE = "index.html"


@dataclass
class Review:
    """Goes through finished jobs and shows them.

    Args:
        references: Originals to score against, if there are any.
        seconds: By a job's name, how long it took; those of earlier runs are not known.
        max_pixels: The most pixels an input may have.
    """

    references: "References | None"
    seconds: Mapping[str, float]
    max_pixels: int
    failures: list[str] = field(default_factory=list)

    def conclude(self, summary: Summary, folder: Path, *, title: str | None) -> str:
        """Show and score all that is finished, also by earlier runs; what fails is added to the summary's failures.

        Args:
            summary: What came of the run.
            folder: Where ``index.html`` and ``scores.json`` go.
            title: What the page calls the run; None for no page.

        Returns:
            What to tell the user.

        Raises:
            ValueError: If no picture has an original.
        """
        entries = self._entries(sorted([*summary.written, *summary.skipped], key=lambda job: job.name))
        lines = []
        if title is None:
            deque(entries, maxlen=0)  # only scored
        else:
            write_report(folder / PAGE, entries, title=title)
            lines.append(f"Page  {folder / PAGE}")
        if self.references is not None:
            lines.append(self.references.write(folder))
        summary.failures += self.failures
        return "\n".join(lines)

    def _entries(self, jobs: Iterable[Job]) -> Iterator[Entry]:
        for job in jobs:
            try:
                yield self._entry(job)
            except ValueError as error:  # an original of another size, or a file that has changed in the meantime
                self.failures.append(str(error))

    def _entry(self, job: Job) -> Entry:
        lr = read_pictures(job.source, max_pixels=self.max_pixels)[0].rgb
        sr = _read_result(job.picture)
        scale = sr.shape[-1] // lr.shape[-1]
        bicubic = upscale(lr, scale).clamp(0, 1)
        trust = undrawn(read_image(job.targets[0]), lr.shape[-2:]) if len(job.targets) > 1 else None
        entry = Entry(job.name, bicubic, sr, trust=trust, seconds=self.seconds.get(job.name))
        if self.references is None:
            return entry
        name = PurePath(job.name)
        hr = self.references.read(name, size=(sr.shape[-2], sr.shape[-1]))
        if hr is None:
            return entry
        scores, of_bicubic = self.references.score(name, lr=lr, bicubic=bicubic, sr=sr, hr=hr)
        return Entry(job.name, bicubic, sr, hr, trust, scores, of_bicubic, entry.seconds)


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


def _read_result(path: Path) -> Tensor:
    # Its size was agreed to when it was made.
    return read_pictures(path, max_pixels=2**62)[0].rgb
