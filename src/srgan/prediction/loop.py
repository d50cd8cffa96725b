"""The loop over many files: a bad one is reported and the rest goes on; whatever stops it, the same command goes on.

While one is computed, those before it are encoded and written, and those after it read.
"""

import errno
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from srgan.prediction.jobs import Job
from srgan.prediction.ledger import Ledger, Standing, content_key
from srgan.prediction.write_queue import WriteQueue, Writer
from srgan.system.device import available_memory

# What a picture, a disk or a device can do to us. Anything else is a mistake of ours and stops the run.
_ERRORS_OF_ONE_FILE = (OSError, ValueError, MemoryError, RuntimeError)
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHARE = 8  # part of the free memory that results may take on their way into files
_ENOUGH = 2**31  # bytes, where the system does not say how much is free

# Computes a job; for each of the job's targets, how to write it into an open file, which happens in another thread. It
# is given the next jobs as well, which it may read or compute together with this one; each still has its own turn.
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
        seconds: By a job's name, how long enlarging took, as far as that was measured.
    """

    written: list[Job] = field(default_factory=list)
    skipped: list[Job] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failures: dict[Job, str] = field(default_factory=dict)
    left: list[Job] = field(default_factory=list)
    interrupted: bool = False
    disk_full: Path | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every job is done, or was meant to be left alone."""
        return not self.failures and not self.interrupted and self.disk_full is None

    def __str__(self) -> str:
        counts: dict[str, Collection[object]] = {
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
            lines += [
                f"{len(self.failures)} pictures could not be enlarged:",
                *(f"  {each}" for each in self.failures.values()),
            ]
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
    num_bytes: Callable[[Job], int] = lambda job: 0,
) -> Summary:
    """Do all jobs that are not done yet, with a progress bar where someone watches.

    Args:
        jobs: What to do, in this order.
        process: As ``Process`` says.
        ledger: Of the output folder.
        made_with: The ``fingerprint`` of the settings.
        overwrite: Replace files that are not ours, or another picture's.
        title: What the progress bar is called.
        look_ahead: How many of the next jobs ``process`` is given, without those that are done.
        num_bytes: How much memory the result of a job takes, asked when it was computed.

    Returns:
        What came of it. Ctrl-C and a full disk end the loop early and are told there, too; what was computed when
        Ctrl-C came is still written, unless it comes again.
    """
    summary = Summary()
    free = available_memory(torch.device("cpu"))
    queue = WriteQueue(max_bytes=_ENOUGH if free is None else free // _SHARE)
    planned = map(partial(_plan, ledger=ledger, made_with=made_with, overwrite=overwrite), jobs)
    with tqdm(total=len(jobs), desc=title or None, unit="picture", disable=None, dynamic_ncols=True) as bar:
        turns = _Turns(queue, summary, bar)
        with _concluding(queue, summary):
            for plan, ahead in _in_turn(planned, look_ahead):
                queue.wait_for_room()
                if queue.stopped:
                    break
                writers: Mapping[Path, Writer] = {}
                error = plan.error
                try:
                    writers = {} if plan.key is None else process(plan.job, ahead)
                except _ERRORS_OF_ONE_FILE as failure:
                    error = failure
                record = partial(ledger.record, key=plan.key or "", source=plan.job.source, overwrite=overwrite)
                queue.put(writers, record, partial(turns.conclude, plan, error), num_bytes=num_bytes(plan.job))
                del writers  # whose memory is free once they are written
    summary.left = list(jobs[turns.ended :])
    return summary


@contextmanager
def _concluding(queue: WriteQueue, summary: Summary) -> Iterator[None]:
    """See that what was handed over is concluded, also after Ctrl-C; after a second one it is given up."""
    try:
        try:
            yield
            queue.wait_for_all()
        except KeyboardInterrupt:
            summary.interrupted = True
            queue.wait_for_all()
    except KeyboardInterrupt:
        queue.stopped = True
    finally:
        queue.close()


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


def _in_turn(plans: Iterator[_Plan], look_ahead: int) -> Iterator[tuple[_Plan, list[Job]]]:
    """Each plan with the jobs that there is work for among a number of those behind it."""
    known: deque[_Plan] = deque()
    while known := deque([*known, *islice(plans, 1 + look_ahead - len(known))]):
        plan = known.popleft()
        yield plan, [other.job for other in known if other.key is not None]


class _Turns:
    """Notes in the summary what came of each job, in their order."""

    def __init__(self, queue: WriteQueue, summary: Summary, bar: "tqdm[Any]") -> None:
        self._queue, self._summary, self._bar = queue, summary, bar
        self.ended = 0

    def conclude(self, plan: _Plan, not_computed: Exception | None, not_written: Exception | None) -> None:
        """Note what came of a job; a mistake of ours is raised."""
        job, summary, error = plan.job, self._summary, not_computed or not_written
        if error is not None and not isinstance(error, _ERRORS_OF_ONE_FILE):
            raise error
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            summary.disk_full, self._queue.stopped = job.picture, True
            return
        if error is not None:
            summary.failures[job] = job.explained(error)
            tqdm.write(f"Failed: {summary.failures[job]}")
        elif plan.key is None:
            summary.kept += plan.kept
            summary.skipped += [] if plan.kept else [job]
            self._bar.total -= 1  # the remaining time is that of work alone
            self._bar.refresh()
        else:
            summary.written.append(job)
            tqdm.write(f"{job.source} → {job.picture}")
        if error is not None or plan.key is not None:
            self._bar.update()
        self.ended += 1
