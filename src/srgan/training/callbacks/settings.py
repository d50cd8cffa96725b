"""Stores a run's settings in its checkpoints, and reports changed ones on resume."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from lightning import Callback
from lightning.pytorch.utilities import rank_zero_only

log = logging.getLogger(__name__)

# Settings that say where things are, not what the run does.
_PLACES = re.compile(
    r"(ckpt_path|resume|generator_weights|discriminator_weights|output_dir|logger|trainer\.default_root_dir"
    r"|callbacks\.\w+\.(dirpath|checkpoint))\b"
)


class Settings(Callback):
    """Store a run's settings in its checkpoints; on resume, warn of each that has changed, and takes effect.

    Args:
        settings: Plain values, nested by name.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {name: value for name, value in flat(settings).items() if not _PLACES.match(name)}

    def state_dict(self) -> dict[str, Any]:
        """The settings, for the checkpoint."""
        return dict(self._settings)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the settings of the checkpoint."""
        for line in changes(state_dict, self._settings):
            rank_zero_only(log.warning)("Resuming with a changed setting: %s", line)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences of two flat settings, in words: ``model.pretrain_steps was 450, now 600``."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name} was {before.get(name)}, now {now.get(name)}" for name in names]


def stored_settings(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The flat settings in a checkpoint; empty if it has none."""
    stored = checkpoint.get("callbacks", {}).get(Settings.__qualname__, {})
    assert isinstance(stored, dict)
    return stored


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name: ``{"model": {"pretrain_steps": 5}}`` becomes ``{"model.pretrain_steps": 5}``."""
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value
    return values
