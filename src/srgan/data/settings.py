"""The data settings of a training command line, for commands that look at photos without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

_CONF = Path(__file__).parents[3] / "conf"


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
        raise ValueError(f"{reason}" if isinstance(reason, OSError) else f"{reason}\nUsage: {usage}") from error
