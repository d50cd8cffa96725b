"""One run, one folder: a Hydra callback claims a run's folder before anything is written there."""

import os
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from srgan.system.files import hold
from srgan.system.overrides import quote

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = ".lock"
# Above 0 in every process of a run but the first.
_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")

_held: list["BaseFileLock"] = []  # until the process ends, however it ends


class OwnFolder(Callback):
    """Give each run, and each sweep, a folder that no other is using.

    Of two that start in the same second, for which the clock gives the same folder, the second gets a number appended.
    A folder named by the user is refused while a run uses it; once that has ended, it can be resumed there. The other
    processes of a run use the folder of the first.
    """

    def on_run_start(self, config: Any, **_: Any) -> None:
        """Claim the folder of a single run."""
        if any(os.environ.get(name, "0") not in ("", "0") for name in _RANK_VARIABLES):
            config.hydra.output_subdir = None  # the first process stores the settings
            return
        config.hydra.run.dir = str(_claim(config.hydra.run))

    def on_multirun_start(self, config: Any, **_: Any) -> None:
        """Claim the folder of a sweep, which holds those of its jobs."""
        folder = _claim(config.hydra.sweep)
        config.hydra.sweep.dir = str(folder)
        # Each job composes its own settings from these.
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quote(str(folder))}")


def _claim(place: Any) -> Path:
    """The folder that a section of Hydra's settings names, or one next to it; created and locked."""
    folder = Path(place.dir)
    is_by_clock = "${now:" in str(place._get_node("dir")._value())
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
                    f"Another run is using {path}. Wait for its end, or choose another folder with hydra.run.dir=… (for"
                    " a sweep, hydra.sweep.dir=…)."
                )
    except OSError as error:
        sys.exit(f"Cannot create the run's folder {folder}: {error.strerror}. Choose another with hydra.run.dir=….")
    raise AssertionError("numbers have no end")
