"""Going on from an earlier run: finds the right one, and says in words why a checkpoint cannot serve."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from srgan.callbacks.settings import changes, flat, stored_settings
from srgan.weights import WeightsError, check_checkpoint, read_checkpoint, resolve_checkpoint

log = logging.getLogger(__name__)

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


def checkpoint_to_go_on_from(
    ckpt_path: str | None, *, search: bool, output_dir: Path, settings: Mapping[str, Any]
) -> Path | None:
    """The checkpoint that a run goes on from, if any.

    Args:
        ckpt_path: A checkpoint or a run's folder, named by the user.
        search: Where none is named, take that of the newest unfinished run of the same kind beside ``output_dir``.
        output_dir: The new run's folder.
        settings: The new run's settings, nested by name.

    Returns:
        The file; None for a run that starts anew.

    Raises:
        WeightsError: If what was named is no checkpoint.
        ValueError: If ``output_dir`` holds another run, which this one would overwrite.
    """
    found = None
    if ckpt_path is not None:
        found = resolve_checkpoint(Path(str(ckpt_path)))
    elif search:
        found = unfinished_run(output_dir.parent, settings)
        message = f"Going on from {found}" if found else "No unfinished run to go on from: starting anew"
        rank_zero_only(log.info)(message)
    goes_on = found is not None and found.resolve().is_relative_to(output_dir.resolve())
    if (output_dir / "checkpoints" / "last.ckpt").exists() and not goes_on:
        raise ValueError(
            f"{output_dir} holds another run already. Go on from it with ckpt_path={output_dir}, or name another folder"
            " with hydra.run.dir=…."
        )
    return found


def unfinished_run(root: Path, settings: Mapping[str, Any]) -> Path | None:
    """The checkpoint of the newest run under a folder that has the same settings and is not at its end.

    Args:
        root: Folder of runs.
        settings: The new run's settings, nested by name.

    Returns:
        Its ``last.ckpt``, or None.
    """
    wanted = _identity(flat(settings))
    files = sorted(root.glob("*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in files:
        try:
            checkpoint = read_checkpoint(file)
        except WeightsError:
            continue
        same = _identity(stored_settings(checkpoint)) == wanted
        if same and checkpoint["global_step"] < settings["trainer"]["max_steps"]:
            return file
    return None


def _identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name.startswith(_IDENTITY)}


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
