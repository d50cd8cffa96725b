"""The jobs of a sweep: each with processes of its own, and all in one report."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode

log = logging.getLogger(__name__)

_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def own_processes(arguments: Sequence[str]) -> Iterator[None]:
    """Let Lightning's child processes run one job of a sweep, and clean up after them for the next job.

    Lightning starts its children with the command line of their parent, so each would run the whole sweep again; and
    the variables that it sets would make the next job believe that it is a child.

    Args:
        arguments: The job's own command line, to which this adds that it is a single run: its configuration may turn
            any command line into a sweep.
    """
    if any(name in os.environ for name in _RANK_VARIABLES):  # set by torchrun or srun, which manage them
        yield
        return
    whole_command = sys.argv
    sys.argv = [sys.argv[0], *arguments, "hydra.mode=RUN"]
    try:
        yield
    finally:
        sys.argv = whole_command
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for name in _RANK_VARIABLES:
            os.environ.pop(name, None)


class ReportEachJob(Callback):
    """A Hydra callback that updates the sweep's report after each job, successful or not."""

    def on_job_end(self, config: Any, job_return: JobReturn, **_: Any) -> None:
        """Record why a failed job failed, and write the report of all jobs so far."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        from srgan.sweeps.jobs import ERROR
        from srgan.sweeps.report import write_report

        sweep_dir = Path(config.hydra.sweep.dir)
        job_dir = Path(config.hydra.runtime.output_dir)
        if job_return.status != JobStatus.COMPLETED:
            error = job_return._return_value
            reason = " ".join(str(getattr(error, "__cause__", None) or error).split())
            trace = "".join(traceback.format_exception(error))
            (job_dir / ERROR).write_text(f"{trace}\n{reason}\n", encoding="utf-8")
            log.error("Job %s failed: %s", job_dir.name, reason)
        log.info("Sweep so far: %s", write_report(sweep_dir))
