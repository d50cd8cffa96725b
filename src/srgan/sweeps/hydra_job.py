"""What Hydra knows of the job at work: alone or one of a sweep, its overrides, and what becomes of a user's mistake."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import read_write
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from srgan.sweeps.processes import own_processes
from srgan.system.program import how_to_start, words_before_settings


@contextmanager
def mistakes_in_a_sentence(command: str, *mistakes: type[Exception]) -> Iterator[None]:
    """Turn what a user can mend into one message instead of a traceback.

    In a sweep the error is left as it is: the other jobs go on, and Hydra shows it at the end.

    Args:
        command: What is run, such as ``train``.
        mistakes: Errors that a user can mend, besides those of the configuration.
    """
    mendable: tuple[type[Exception], ...] = (*mistakes, InstantiationException, OmegaConfBaseException)
    try:
        yield
    except mendable as error:
        if is_sweep() or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(_sentence(error, " ".join(how_to_start(command))))


def _sentence(error: Exception, program: str) -> str:
    if isinstance(error, MissingMandatoryValue):
        return f"Expected a value for {error.full_key}: {program} {error.full_key}=…"
    where = re.search(r"full_key: (\S+)", str(error))
    reason = error.__cause__ or error if isinstance(error, InstantiationException) else error
    if isinstance(reason, OSError):
        return str(reason)
    return f"{reason}\n" + (f"In {where[1]}. " if where else "") + "(HYDRA_FULL_ERROR=1 shows where this happened.)"


def is_sweep() -> bool:
    """Whether this is one job of several."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def overrides() -> list[str]:
    """The job's own overrides, without Hydra's settings."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def sweep_folder() -> Path:
    """The folder of all jobs."""
    return Path(HydraConfig.get().sweep.dir)


def folder_of_settings() -> str:
    """In a sweep, a folder's name that keeps the results of jobs with other settings apart; else none."""
    return re.sub(r"[/\\]", "_", HydraConfig.get().job.override_dirname.replace("'", "")) if is_sweep() else ""


def place_in_sweep(logger: str) -> dict[str, str]:
    """Further arguments of a logger: a sweep's jobs are one group in W&B."""
    if logger != "wandb" or not is_sweep():
        return {}
    group = sweep_folder().name
    return {"group": group, "name": f"{group}/{HydraConfig.get().job.num}"}


@contextmanager
def as_job(command: str) -> Iterator[None]:
    """Let the processes that Lightning starts run this job: ``sys.argv`` is the command line that they are given.

    Hydra has read it without the command's name. Of a sweep they run this job alone, in this job's folder.
    """
    words = words_before_settings(command)
    if not is_sweep():
        read_by_hydra = sys.argv
        sys.argv = [sys.argv[0], *words, *sys.argv[1:]]
        try:
            yield
        finally:
            sys.argv = read_by_hydra
        return
    run: Any = HydraConfig.get().run
    with read_write(run):
        run.dir = HydraConfig.get().runtime.output_dir
    with own_processes([*words, *_job_arguments()]):
        yield


def _job_arguments() -> list[str]:
    """The command line of one job of a sweep: the configuration it was composed from, and its own overrides."""
    hydra_config = HydraConfig.get()
    own_folders = [each.path for each in hydra_config.runtime.config_sources if each.provider == "command-line"]
    return [
        *(f"--config-dir={path}" for path in own_folders),
        f"--config-name={hydra_config.job.config_name}",
        *overrides(),
    ]
