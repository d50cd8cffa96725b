"""One run, one folder: Hydra's callback that takes a run's folder before anything is written there."""

import os
import sys
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from hydra.experimental.callback import Callback

from srgan.system.files import hold
from srgan.system.overrides import quote

_LOCK = ".lock"
# Above 0 in a process that another one has started, or that was started beside the first one of a run.
_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")

_held: list[BinaryIO] = []  # until the process ends, however it ends


class OwnFolder(Callback):
    """Give each run, and each sweep, a folder that no other is at work in.

    Two that start in one second are given one folder by the clock: the second gets another, with a number behind it.
    A folder that was named is refused while a run is at work there; once that has ended, it can be gone on from. The
    further processes of a run use the folder of the first.
    """

    def on_run_start(self, config: Any, **_: Any) -> None:
        """Take the folder of a single run."""
        if any(os.environ.get(name, "0") not in ("", "0") for name in _RANK_VARIABLES):
            config.hydra.output_subdir = None  # what the command line was, the first process writes down
            return
        config.hydra.run.dir = str(_claim(config.hydra.run))

    def on_multirun_start(self, config: Any, **_: Any) -> None:
        """Take the folder of a sweep, in which its jobs have theirs."""
        folder = _claim(config.hydra.sweep)
        config.hydra.sweep.dir = str(folder)
        config.hydra.overrides.hydra.append(
            f"hydra.sweep.dir={quote(str(folder))}"
        )  # each job composes its own settings


def _claim(place: Any) -> Path:
    """The folder that a section of Hydra's settings names, or one beside it; made and held."""
    folder, is_by_clock = Path(place.dir), "${now:" in str(place._get_node("dir")._value())
    try:
        for number in count(1):
            path = folder if number == 1 else folder.with_name(f"{folder.name}_{number}")
            try:
                path.mkdir(parents=True, exist_ok=not is_by_clock)
            except FileExistsError:
                if path.is_dir():
                    continue
                raise
            lock = hold(path / _LOCK)
            if lock is not None:
                _held.append(lock)
                return path
            if not is_by_clock:
                sys.exit(
                    f"Another run is at work in {path}. Wait for its end, or name another folder with"
                    " hydra.run.dir=… (of a sweep hydra.sweep.dir=…)."
                )
    except OSError as error:
        sys.exit(f"Cannot make the run's folder {folder}: {error.strerror}. Name another one with hydra.run.dir=….")
    raise AssertionError("numbers have no end")
