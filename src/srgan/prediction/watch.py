"""Keeps results up to date: looks again and again, and does what is new or changed, once its file is whole."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from srgan.prediction.jobs import Job
from srgan.prediction.loop import Summary

_INTERVAL_S = 1.0
_Stamp = tuple[int, int]  # a file's size and when it was changed last


@dataclass
class WatchSummary(Summary):
    """What came of all rounds, in one line."""

    def __str__(self) -> str:
        if self.disk_full is not None:
            return super().__str__()
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"Stopped watching: {len(self.written)} enlarged{failed}. The same command goes on."


def keep_up_to_date(
    plan: Callable[[], Sequence[Job]],
    run: Callable[[Sequence[Job]], Summary],
    *,
    wait: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = print,
) -> WatchSummary:
    """Do jobs as they come up, until Ctrl-C or a full disk.

    Args:
        plan: Lists all jobs there are.
        run: Does some of them, and says what came of it; what is done already, it skips.
        wait: Lets a number of seconds pass.
        tell: Says what is in the way of a look, such as a folder that cannot be listed; once, as long as it lasts.

    Returns:
        What came of it, all rounds together.
    """
    total, looks, trouble = WatchSummary(interrupted=True), _Looks(), ""
    try:
        while True:
            start = time.monotonic()
            try:
                due, now = looks.due(plan()), ""
            except OSError as error:
                due, now = [], str(error)
            if now and now != trouble:
                tell(now)
            trouble = now
            if due:
                summary = run(due)
                _add(total, summary)
                looks.done(summary)
                if summary.interrupted or summary.disk_full is not None:
                    total.interrupted, total.disk_full, total.left = (
                        summary.interrupted,
                        summary.disk_full,
                        summary.left,
                    )
                    return total
            wait(max(_INTERVAL_S, time.monotonic() - start if not due else 0))
    except KeyboardInterrupt:
        return total


class _Looks:
    """What the last look saw of each input, and what was made of it."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Stamp] = {}
        self._tried: dict[Path, _Stamp] = {}
        self._succeeded: set[Path] = set()

    def due(self, jobs: Sequence[Job]) -> list[Job]:
        """Those whose input is as the last look saw it, and not as it was tried; or whose result has gone."""
        stamps = {job.source: _stamp(job.source) for job in jobs}
        before, self._seen = self._seen, {source: stamp for source, stamp in stamps.items() if stamp is not None}
        whole = [job for job in jobs if job.source in before and before[job.source] == stamps[job.source]]
        due = [job for job in whole if self._tried.get(job.source) != before[job.source] or self._is_gone(job)]
        self._tried |= {job.source: before[job.source] for job in due}
        self._succeeded -= {job.source for job in due}
        return due

    def done(self, summary: Summary) -> None:
        """Note whose results are there."""
        self._succeeded |= {job.source for job in [*summary.written, *summary.skipped]}

    def _is_gone(self, job: Job) -> bool:
        return job.source in self._succeeded and not all(target.exists() for target in job.targets)


def _stamp(path: Path) -> _Stamp | None:
    try:
        state = path.stat()
    except OSError:  # gone since it was listed
        return None
    return state.st_size, state.st_mtime_ns


def _add(total: Summary, summary: Summary) -> None:
    for name in ("written", "skipped", "kept", "failures"):
        getattr(total, name).extend(getattr(summary, name))
