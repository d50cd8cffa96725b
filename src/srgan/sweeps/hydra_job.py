"""What Hydra knows of the current job: its overrides, whether it is one of a sweep, and how its errors are shown."""

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
    """Show errors that the user can fix as one message, without a traceback.

    In a sweep the error is raised as it is: the other jobs continue, and Hydra shows it at the end.

    Args:
        command: The command, such as ``train``.
        mistakes: Errors that the user can fix, besides those of the configuration.
    """
    fixable: tuple[type[Exception], ...] = (*mistakes, InstantiationException, OmegaConfBaseException)
    try:
        yield
    except fixable as error:
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
    """In a sweep, a folder name for the job's settings, so that each job has its own results; otherwise empty."""
    return re.sub(r"[/\\]", "_", HydraConfig.get().job.override_dirname.replace("'", "")) if is_sweep() else ""


def place_in_sweep(logger: str) -> dict[str, str]:
    """More arguments for a logger: a sweep's jobs form one group in W&B."""
    if logger != "wandb" or not is_sweep():
        return {}
    group = sweep_folder().name
    return {"group": group, "name": f"{group}/{HydraConfig.get().job.num}"}


@contextmanager
def as_job(command: str) -> Iterator[None]:
    """Let the processes that Lightning starts run this job: they get the command line in ``sys.argv``.

    Hydra has read it without the command's name. In a sweep, they run this job only, in its folder.
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
    """The command line of one job of a sweep: its configuration, and its overrides."""
    hydra_config = HydraConfig.get()
    own_folders = [each.path for each in hydra_config.runtime.config_sources if each.provider == "command-line"]
    return [
        *(f"--config-dir={path}" for path in own_folders),
        f"--config-name={hydra_config.job.config_name}",
        *overrides(),
    ]
