"""The loop over many files: a bad one is reported and the rest goes on; whatever stops it, the same command goes on."""

import errno
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from srgan.prediction.jobs import Job
from srgan.prediction.ledger import Ledger, Standing, content_key
from srgan.system.files import atomic_write

# What a picture, a disk or a device can do to us. Anything else is a mistake of ours and stops the run.
_ERRORS_OF_ONE_FILE = (OSError, ValueError, MemoryError, RuntimeError)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Writer = Callable[[BinaryIO], None]
Process = Callable[[Job, Sequence[Job]], Mapping[Path, Writer]]


@dataclass
class Summary:
    """What came of a run.

    Args:
        written: Jobs whose picture was written.
        skipped: Jobs that an earlier run had finished.
        kept: Files that were there already and are not ours, so that their jobs were not done.
        failures: A message for each job that failed.
        left: Jobs not ended when the run stopped early.
        interrupted: Whether Ctrl-C stopped it.
        disk_full: The file that there was no space for, if that stopped it.
    """

    written: list[Job] = field(default_factory=list)
    skipped: list[Job] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)
    interrupted: bool = False
    disk_full: Path | None = None

    @property
    def complete(self) -> bool:
        """Whether every job is done, or was meant to be left alone."""
        return not self.failures and not self.interrupted and self.disk_full is None

    def __str__(self) -> str:
        counts: dict[str, Sequence[object]] = {
            "enlarged": self.written,
            "done before": self.skipped,
            "kept": self.kept,
            "failed": self.failures,
        }
        lines = [", ".join(f"{len(jobs)} {what}" for what, jobs in counts.items() if jobs) or "Nothing done"]
        if self.kept:
            lines += ["Kept, since predict.py did not make them as they are (overwrite=true replaces them):"]
            lines += [f"  {path}" for path in self.kept]
        if self.failures:
            lines += [f"{len(self.failures)} pictures could not be enlarged:", *(f"  {each}" for each in self.failures)]
        if self.interrupted:
            lines += [f"Stopped. What is finished stays; the same command goes on with the other {len(self.left)}."]
        if self.disk_full is not None:
            lines += [f"No space left for {self.disk_full}. Make some, and the same command goes on with the rest:"]
            lines += [f"  {job.source}" for job in self.left]
        return "\n".join(lines)


def run_jobs(
    jobs: Sequence[Job],
    process: Process,
    *,
    ledger: Ledger,
    made_with: str,
    overwrite: bool = False,
    title: str = "",
    look_ahead: int = 0,
) -> Summary:
    """Do all jobs that are not done yet, with a progress bar where someone watches.

    Args:
        jobs: What to do, in this order.
        process: Computes a job; for each of the job's targets, how to write it into an open file. It is told of jobs to
            come as well, which it may compute together with this one; each still has its own turn.
        ledger: Of the output folder.
        made_with: The ``fingerprint`` of the settings.
        overwrite: Replace files that are not ours, or another picture's.
        title: What the progress bar is called.
        look_ahead: How many of the jobs to come ``process`` is told of, less those that are done.

    Returns:
        What came of it. Ctrl-C and a full disk end the loop early and are told there, too.
    """
    summary, ended = Summary(), 0
    planned = map(partial(_plan, ledger=ledger, made_with=made_with, overwrite=overwrite), jobs)
    with tqdm(total=len(jobs), desc=title or None, unit="picture", disable=None, dynamic_ncols=True) as bar:
        try:
            plans: deque[_Plan] = deque()
            while plans := deque([*plans, *islice(planned, 1 + look_ahead - len(plans))]):
                plan = plans.popleft()
                ahead = [other.job for other in plans if other.key is not None]
                if _attempt(plan, process, ahead, summary, ledger=ledger, overwrite=overwrite):
                    bar.update()
                else:
                    bar.total -= 1  # the remaining time is that of work alone
                    bar.refresh()
                ended += 1
        except KeyboardInterrupt:
            summary.interrupted = True
        except _DiskFullError:
            summary.disk_full = jobs[ended].picture
    summary.left = list(jobs[ended:])
    return summary


class _DiskFullError(Exception):
    """There is no use in going on."""


@dataclass(frozen=True)
class _Plan:
    """What is to be done about a job.

    Args:
        job: The job.
        key: Its ``content_key``, if there is work.
        kept: Files of others that are in its way, so that there is none.
        error: Why that could not be found out.
    """

    job: Job
    key: str | None = None
    kept: Sequence[Path] = ()
    error: Exception | None = None


def _plan(job: Job, *, ledger: Ledger, made_with: str, overwrite: bool) -> _Plan:
    """Look whether a job is done; its key is taken before its input is read, so that a change in between shows."""
    try:
        key = content_key(job.source, made_with)
        standings = {target: ledger.standing(target, key=key, source=job.source) for target in job.targets}
    except _ERRORS_OF_ONE_FILE as error:
        return _Plan(job, error=error)
    if set(standings.values()) == {Standing.FINISHED}:
        return _Plan(job)
    taken = [target for target, standing in standings.items() if standing is Standing.TAKEN]
    if taken and not overwrite:
        return _Plan(job, error=ValueError(ledger.refusal(taken[0])))
    foreign = [target for target, standing in standings.items() if standing is Standing.FOREIGN]
    return _Plan(job, kept=foreign) if foreign and not overwrite else _Plan(job, key)


def _attempt(
    plan: _Plan, process: Process, ahead: Sequence[Job], summary: Summary, *, ledger: Ledger, overwrite: bool
) -> bool:
    """Do what is planned, and note in the summary what came of it; returns whether there was work."""
    job = plan.job
    try:
        if plan.error is not None:
            raise plan.error
        if plan.key is None:
            summary.kept += plan.kept
            summary.skipped += [] if plan.kept else [job]
            return False
        _write(job, process(job, ahead), ledger=ledger, key=plan.key, overwrite=overwrite)
    except _ERRORS_OF_ONE_FILE as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise _DiskFullError from error
        summary.failures.append(job.explained(error))
        tqdm.write(f"Failed: {summary.failures[-1]}")
    else:
        summary.written.append(job)
        tqdm.write(f"{job.source} → {job.picture}")
    return True


def _write(job: Job, writers: Mapping[Path, Writer], *, ledger: Ledger, key: str, overwrite: bool) -> None:
    for target in job.targets:
        with atomic_write(target) as file:
            writers[target](file)
            file.flush()
            ledger.record(target, file, key=key, source=job.source, overwrite=overwrite)
