"""Going on from an earlier run: finds the right one, and says in words why a checkpoint cannot serve."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from srgan.callbacks.settings import changes, flat, stored_settings
from srgan.results import is_closed
from srgan.weights import WeightsError, check_fits, read_checkpoint, resolve_checkpoint

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


@dataclass(frozen=True)
class Start:
    """Where a run starts from, and where its results belong.

    Args:
        checkpoint: The file that it goes on from; None where it starts anew.
        results_dir: The folder of the closing test: the run's own, or that of an earlier run which lacks nothing else.
    """

    checkpoint: Path | None
    results_dir: Path


def find_start(
    ckpt_path: str | None,
    *,
    search: bool,
    output_dir: Path,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
) -> Start:
    """Find what a run goes on from, if anything, and make sure that it can.

    Args:
        ckpt_path: A checkpoint or a run's folder, named by the user.
        search: Where none is named, take that of the newest unfinished run of the same kind beside ``output_dir``.
        output_dir: The new run's folder.
        settings: The new run's settings, nested by name.
        state: State dict of the module that is to take the checkpoint. Lightning restores it later, with the
            optimizers; this says in words what would not fit.

    Returns:
        Where to start from.

    Raises:
        WeightsError: If what was named is no checkpoint or does not fit; says what to do.
        ValueError: If ``output_dir`` holds another run, which this one would overwrite.
    """
    found, results_dir = None, output_dir
    if ckpt_path is not None:
        file = resolve_checkpoint(Path(str(ckpt_path)))
        found = file, _read_to_go_on(file)
    elif search:
        found = unfinished_run(output_dir.parent, settings)
        if found is not None and found[1]["global_step"] == settings["trainer"]["max_steps"]:
            results_dir = found[0].parents[1]
        rank_zero_only(log.info)(_message(found[0] if found else None, only_test=results_dir != output_dir))
    goes_on = found is not None and found[0].resolve().is_relative_to(output_dir.resolve())
    if (output_dir / "checkpoints" / "last.ckpt").exists() and not goes_on:
        raise ValueError(
            f"{output_dir} holds another run already. Go on from it with ckpt_path={output_dir}, or name another folder"
            " with hydra.run.dir=…."
        )
    if found is None:
        return Start(None, results_dir)
    _check_fits(*found, state, settings)
    return Start(found[0], results_dir)


def unfinished_run(root: Path, settings: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The newest run under a folder that has the same settings and lacks steps, or the closing test after the last.

    Args:
        root: Folder of runs.
        settings: The new run's settings, nested by name.

    Returns:
        Its ``last.ckpt`` and what that holds, or None.
    """
    wanted, max_steps = _identity(flat(settings)), settings["trainer"]["max_steps"]
    files = sorted(root.glob("*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in files:
        try:
            checkpoint = read_checkpoint(file)
        except WeightsError:
            continue
        step = checkpoint["global_step"]
        lacks = step < max_steps or (step == max_steps and not is_closed(file.parents[1], step=step))
        if lacks and _identity(stored_settings(checkpoint)) == wanted:
            return file, checkpoint
    return None


def _message(file: Path | None, *, only_test: bool) -> str:
    if file is None:
        return "No unfinished run to go on from: starting anew"
    return f"Going on from {file}" + (
        ": its steps are done, the closing test follows in its folder" if only_test else ""
    )


def _identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name.startswith(_IDENTITY)}


def _read_to_go_on(file: Path) -> dict[str, Any]:
    try:
        return read_checkpoint(file)
    except WeightsError as error:
        raise WeightsError(f"{error} Go on from another one, such as best.ckpt beside it, or start anew.") from error


def _check_fits(
    file: Path, checkpoint: Mapping[str, Any], state: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> None:
    """As ``check_fits``, and the error names the settings of the networks that differ."""
    try:
        check_fits(checkpoint, state, source=file)
    except WeightsError as error:
        differences = changes(stored_settings(checkpoint), flat(settings))
        differing = [line for line in differences if line.startswith(_ARCHITECTURE)]
        raise WeightsError(f"{error} Different: {'; '.join(differing) or 'none of these settings'}.") from error
