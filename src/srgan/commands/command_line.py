"""Command lines: parsed, prepared for Hydra, and composed with the settings in conf/."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

import srgan
from srgan.system.overrides import TRAIN_PATHS, quoted_paths

_PACKAGE = Path(srgan.__file__).parent
# A wheel has the settings in the package; a checkout, and an editable install of it, at the top level.
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parents[1] / "conf"

_CONFIG_PATH = ("--config-path", "-cp")


def run_with_hydra(
    job: Callable[[DictConfig], Any],
    config: str,
    arguments: Sequence[str] | None,
    prepare: Callable[[Sequence[str]], list[str]],
) -> None:
    """Compose the settings of a command line and run a job, or each job of a sweep, with them.

    Args:
        job: The function to run.
        config: A file in conf/, without its extension.
        arguments: The command line; None for the process's own.
        prepare: Turns the typed command line into one for Hydra; its ValueError ends the process.
    """
    try:
        prepared = prepare(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        sys.exit(str(error))
    sys.argv[1:] = _from_here(prepared)  # which Hydra reads
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=config)(job)()


def setting_names(config: str) -> frozenset[str]:
    """What can be set in a file in conf/, at its top level; and ``hydra``."""
    return frozenset(map(str, OmegaConf.load(CONF / f"{config}.yaml"))) | {"hydra"}


def command_line(
    arguments: Sequence[str] | None,
    *,
    usage: str,
    description: str,
    own: Sequence[str],
    needed: Sequence[str] = (),
    takes_overrides: bool,
) -> tuple[dict[str, str], list[str]]:
    """Parse a command line; or print its help, or an error, and exit.

    Args:
        arguments: Those of the command; None for the process's own.
        usage: How to call the command.
        description: What it does.
        own: Names of its own settings.
        needed: Those of them that are required.
        takes_overrides: Whether everything else is for training's settings; if not, it is an error.

    Returns:
        The command's own settings, the last of each name, as in Hydra; and the overrides, ready for Hydra.
    """
    parser = argparse.ArgumentParser(
        usage=usage, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help=argparse.SUPPRESS)
    values: dict[str, str] = {}
    others: list[str] = []
    for argument in parser.parse_args(arguments).settings:
        name, is_setting, value = argument.partition("=")
        if not is_setting or name not in own:
            others.append(argument)
        else:
            values[name] = os.path.expanduser(value)
    try:
        if others and not takes_overrides:
            raise ValueError(_refused(others[0], own))
        _require_values(values, needed)
        return values, quoted_paths(others, TRAIN_PATHS)
    except ValueError as error:
        parser.exit(2, f"{error}\n")


def instantiate_data(overrides: Sequence[str], *, usage: str, **replaced: Any) -> Any:
    """Build what ``data`` describes if training has these overrides: the data module, or another ``_target_``.

    Args:
        overrides: As ``srgan train`` takes them.
        usage: How to call the command, for the message.
        **replaced: Settings of ``data`` that replace the configuration's.

    Raises:
        ValueError: If an override is wrong, a value is missing, or a value is refused.
    """
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            config = compose("train", overrides=list(overrides))
        return instantiate(config.data, _convert_="all", **replaced)
    except Exception as error:  # of many kinds, each of which names the key
        reason = error.__cause__ or error
        # Missing folders and failed downloads have nothing to do with how the command is called.
        raise ValueError(str(reason) if isinstance(reason, OSError) else f"{reason}\nUsage: {usage}") from error


def _from_here(arguments: Sequence[str]) -> list[str]:
    """Make ``--config-path`` relative to the current folder, instead of the job's file as in Hydra."""
    changed: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, path = argument.rpartition("=")
        is_path = option in _CONFIG_PATH if equals else before in _CONFIG_PATH
        changed.append(f"{option}{equals}{os.path.abspath(path)}" if is_path and "://" not in path else argument)
    return changed


def _require_values(values: Mapping[str, str], needed: Sequence[str]) -> None:
    for name, value in values.items():
        if not value.strip():
            raise ValueError(f"Expected a value for {name}=…, got nothing. Is a shell variable not set?")
    missing = [f"{name}=…" for name in needed if name not in values]
    if missing:
        raise ValueError(f"Expected a value for {' and '.join(missing)}. See --help.")


def _refused(argument: str, own: Sequence[str]) -> str:
    close = difflib.get_close_matches(argument.partition("=")[0], own, n=1)
    meant = f" Did you mean {close[0]}=…?" if close else ""
    return f"Expected {', '.join(f'{name}=…' for name in own)}, got {argument!r}.{meant}"
