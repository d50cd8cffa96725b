"""Data settings and command lines of the commands that look at photos without training."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from srgan.system.overrides import TRAIN_PATHS, quoted_paths, require_paths

_CONF = Path(__file__).parents[3] / "conf"


def command_line(arguments: Sequence[str] | None, *, usage: str, description: str) -> tuple[list[str], str | None]:
    """Take a command line apart, or print its help and leave.

    Args:
        arguments: Those of the command; None for the process's own.
        usage: How the command is called.
        description: What it does.

    Returns:
        The overrides for train.py, and what ``out=`` is, if given; of several the last, as Hydra has it.
    """
    parser = argparse.ArgumentParser(usage=usage, description=description)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py, and out=FILE to write to")
    try:
        overrides = quoted_paths(parser.parse_args(arguments).overrides, TRAIN_PATHS)
        outs = [each for each in overrides if each.startswith("out=")]
        require_paths({"out": [each.removeprefix("out=") for each in outs]})
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    return [each for each in overrides if each not in outs], outs[-1].removeprefix("out=") if outs else None


def instantiate_data(overrides: Sequence[str], *, usage: str, **replaced: Any) -> Any:
    """Build what ``data`` describes where train.py has these overrides: the data module, or another ``_target_``.

    Args:
        overrides: As ``train.py`` takes them.
        usage: How the command is called, for the message.
        **replaced: Settings of ``data`` to put in place of the configuration's.

    Raises:
        ValueError: If an override is wrong, a value is missing, or what is built refuses one.
    """
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(_CONF)):
            config = compose("train", overrides=list(overrides))
        return instantiate(config.data, _convert_="all", **replaced)
    except Exception as error:  # of many kinds, each of which says what is wrong with which key
        reason = error.__cause__ or error
        # A folder that is missing, or a download, has nothing to do with how the command is called.
        raise ValueError(str(reason) if isinstance(reason, OSError) else f"{reason}\nUsage: {usage}") from error
