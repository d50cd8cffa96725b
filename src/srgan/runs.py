"""Going on from an earlier run: finds the right one, and says in words why a checkpoint cannot serve."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from srgan.callbacks.settings import changes, flat, stored_settings
from srgan.weights import WeightsError, check_checkpoint, read_checkpoint

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
# Of these, what decides which tensors a checkpoint holds.
_ARCHITECTURE = ("scale", "generator.", "discriminator.", "model.ema_")


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


def check_resumable(file: Path, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Make sure that a run can go on from a checkpoint.

    Args:
        file: The checkpoint.
        state: State dict of the module that is to take it.
        settings: The new run's settings, nested by name.

    Raises:
        WeightsError: If it cannot; says what to do, and which settings of the networks differ.
    """
    try:
        check_checkpoint(file, state)
    except WeightsError as error:
        raise WeightsError(f"{error} {_remedy(file, settings)}") from error


def _remedy(file: Path, settings: Mapping[str, Any]) -> str:
    try:
        stored = stored_settings(read_checkpoint(file))
    except WeightsError:
        return "Go on from another one, such as best.ckpt beside it, or start anew."
    differing = [line for line in changes(stored, flat(settings)) if line.startswith(_ARCHITECTURE)]
    return f"Different: {'; '.join(differing) or 'none of these settings'}."
