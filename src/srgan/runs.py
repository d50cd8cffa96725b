"""Finds the run that a new one of the same kind should go on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srgan.callbacks.settings import flat, stored_settings
from srgan.weights import WeightsError, read_checkpoint

# What makes two runs the same: networks, content loss, photos and seed. Rates, weights and lengths may change.
_IDENTITY = (
    "scale",
    "seed",
    "generator.",
    "discriminator.",
    "loss.content.",
    "data.root",
    "data.lr_root",
    "model.ema_",
)


def unfinished_run(root: Path, settings: Mapping[str, Any]) -> Path | None:
    """The checkpoint of the newest run under a folder that has the same settings and is not at its end.

    Args:
        root: Folder of runs.
        settings: The new run's settings, nested by name.

    Returns:
        Its ``last.ckpt``, or None.
    """
    wanted = {name: value for name, value in flat(settings).items() if name.startswith(_IDENTITY)}
    files = sorted(root.glob("*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in files:
        try:
            checkpoint = read_checkpoint(file)
        except WeightsError:
            continue
        found = stored_settings(checkpoint)
        same = all(name in found and found[name] == value for name, value in wanted.items())
        if same and checkpoint["global_step"] < settings["trainer"]["max_steps"]:
            return file
    return None
