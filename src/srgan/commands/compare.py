"""``srgan compare``: the same pictures by several networks, on one page. Settings: conf/compare.yaml."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from srgan.commands.command_line import run_with_hydra, setting_names
from srgan.commands.predict import conclude, exit_codes, read_settings
from srgan.sweeps.hydra_job import folder_of_settings
from srgan.system.overrides import bare_inputs, quoted_paths

if TYPE_CHECKING:  # imported where it is used, so that `--help` answers at once
    from srgan.prediction import Summary

_LISTS = ("input",)
_PATHS = ("input", "output", "reference")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, by default the process's own; a path without a name is an ``input``."""
    run_with_hydra(_job, "compare", arguments, _prepared)


def _prepared(typed: Sequence[str]) -> list[str]:
    quoted = quoted_paths(quoted_paths(typed, _PATHS, literal=True, lists=_LISTS), ("ckpt",))
    return bare_inputs(quoted, setting_names("compare"))


def _job(cfg: DictConfig) -> None:
    with exit_codes("compare"):
        conclude(_compare(**read_settings(cfg)))


def _compare(*, ckpt: str | list[str], input: str | list[str], output: str, **settings: Any) -> "Summary":
    from srgan.prediction.pages.compare import compare

    weights = [ckpt] if isinstance(ckpt, str) else ckpt
    sources = [Path(each) for each in ([input] if isinstance(input, str) else input)]
    return compare(ckpt=weights, source=sources, output=Path(output) / folder_of_settings(), **settings)
