"""``srgan doctor``: checks photos before training on them.

    srgan doctor data=folder data.root=/photos
    srgan doctor data=paired data.root=/hr data.lr_root=/lr out=report.json

Takes the settings of ``srgan train``, so that its command line can be pasted. Prints a line per finding and writes all
of them to ``out=``, a JSON file. Exit code: 0 clean, 1 findings, 2 if it cannot run.
"""

import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from srgan.commands.command_line import command_line, instantiate_data
from srgan.data import SuperResolutionDataModule
from srgan.data.doctor.checkup import check, table, write_report
from srgan.pictures.find import LeftOutWarning
from srgan.system.files import show_any_name

_CLEAN, _FINDINGS, _CANNOT_RUN = 0, 1, 2
_USAGE = "srgan doctor data=folder data.root=/photos [out=report.json]"
_DESCRIPTION = (
    "Check a collection of photos before training on it. All settings are those of srgan train; out= is a JSON file."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the photos that a command line names, and report."""
    own, overrides = command_line(arguments, usage=_USAGE, description=_DESCRIPTION, own=["out"], takes_overrides=True)
    torch.set_num_threads(1)  # photos are checked in parallel threads
    show_any_name()
    warnings.simplefilter("ignore", LeftOutWarning)  # these files are findings here
    try:
        checkup = check(**_settings(overrides))
        print(table(checkup))
        if "out" in own:
            write_report(Path(own["out"]), checkup)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return _CANNOT_RUN
    return _FINDINGS if checkup.findings else _CLEAN


def _settings(overrides: list[str]) -> dict[str, Any]:
    """The arguments of ``check``, from the configuration.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an override is wrong, a value is missing, or the data module refuses what training would.
    """
    data: dict[str, Any] = instantiate_data(overrides, usage=_USAGE, _target_="builtins.dict")
    SuperResolutionDataModule(**data)  # checks the settings and folders only
    min_size = math.ceil(data["hr_crop_size"] * min(data["hr_reductions"]))
    names = ("root", "lr_root", "val_root", "val_lr_root", "test_root", "val_fraction", "scale")
    return {"min_size": min_size, **{name: data[name] for name in names}}
