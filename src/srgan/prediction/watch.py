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
    """What has become of each picture, of all rounds together, in one line."""

    def forget_failures_of_others(self, jobs: Sequence[Job]) -> None:
        """Leave out what failed and is not among the jobs any more."""
        there = {job.source for job in jobs}
        self.failures = {job: why for job, why in self.failures.items() if job.source in there}

    def add(self, done: Sequence[Job], summary: Summary) -> None:
        """Take in what came of a round, in place of what earlier rounds had made of the same pictures."""
        failed = {job.source for job in summary.failures}
        written, skipped = ({job.source for job in jobs} for jobs in (summary.written, summary.skipped))
        targets = {target for job in done for target in job.targets}
        self.written = [job for job in self.written if job.source not in failed | written] + summary.written
        self.skipped = [job for job in self.skipped if job.source not in failed | written | skipped] + summary.skipped
        self.kept = [path for path in self.kept if path not in targets] + summary.kept
        ended = failed | written | skipped
        self.failures = {job: why for job, why in self.failures.items() if job.source not in ended} | summary.failures

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
        What has become of each picture, all rounds together.

    Raises:
        ValueError: If the first look finds that what is asked for cannot be.
    """
    total, looks, trouble, looked = WatchSummary(interrupted=True), _Looks(), "", False
    try:
        while True:
            start = time.monotonic()
            try:
                jobs = plan()
                due, now, looked = looks.due(jobs), "", True
                total.forget_failures_of_others(jobs)
            except (OSError, ValueError) as error:
                if isinstance(error, ValueError) and not looked:
                    raise  # what is asked for cannot be; later, it is what has come into the folders
                due, now = [], str(error)
            if now and now != trouble:
                tell(now)
            trouble = now
            if due:
                summary = run(due)
                total.add(due, summary)
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
