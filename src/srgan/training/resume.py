"""Resuming: finds the run to resume, and says in words why a checkpoint does not fit."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from packaging.version import Version
from torch import Tensor

from srgan import __version__
from srgan.evaluation.closing_test import is_closed
from srgan.system.files import atomic_write
from srgan.training.callbacks.settings import changes, flat, stored_settings
from srgan.weights import WeightsError, check_fits, read_checkpoint, resolve_checkpoint

log = logging.getLogger(__name__)

_ORIGIN = "origin.json"  # in the folder of a run resumed from another: which one, and at which step
# What makes two runs of the same kind: networks, content loss, photos and seed. Rates, weights and lengths may change.
_IDENTITY = (
    "scale",
    "seed",
    "generator.",
    "discriminator.",
    "loss.content.",
    "data.root",
    "data.lr_root",
    "data.degradation",
    "model.ema_",
)
# Those that decide which tensors a checkpoint holds.
_ARCHITECTURE = ("scale", "generator.", "discriminator.", "model.ema_")


@dataclass(frozen=True)
class Start:
    """Where a run starts from, and where its results belong.

    Args:
        checkpoint: The file to resume from; None to start from scratch.
        results_dir: The folder of the closing test: the run's own, or that of an earlier run that only lacks it.
        step: The step to start at.
        only_test: Whether all steps are done, so that at most the closing test is missing.
        is_finished: Whether nothing is left to do: all steps and the scores are there.
    """

    checkpoint: Path | None
    results_dir: Path
    step: int = 0
    only_test: bool = False
    is_finished: bool = False


def find_start(
    ckpt_path: str | None,
    *,
    search: bool,
    output_dir: Path,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
) -> Start:
    """Find what a run resumes from, if anything, and check that it can.

    Args:
        ckpt_path: A checkpoint or a run's folder, named by the user.
        search: If none is named, take that of the run in ``output_dir`` if it is of the same kind, or else of the
            newest unfinished run of the same kind next to it.
        output_dir: The new run's folder.
        settings: The new run's settings, nested by name.
        state: State dict of the module, to say in words what does not fit: Lightning restores it later, with the
            optimizers.

    Returns:
        Where to start from.

    Raises:
        WeightsError: If what was named is not a checkpoint or does not fit; says what to do.
        ValueError: If ``output_dir`` holds another run, which this one would overwrite, or the named checkpoint has no
            steps left to train.
    """
    found = None
    searched = search and ckpt_path is None
    if ckpt_path is not None:
        file = resolve_checkpoint(Path(str(ckpt_path)))
        found = file, _read_to_resume(file)
    elif searched:
        found = own_run(output_dir, settings) or unfinished_run(output_dir.parent, settings)
    resumes_here = found is not None and found[0].resolve().is_relative_to(output_dir.resolve())
    if (output_dir / "checkpoints" / "last.ckpt").exists() and not resumes_here:
        raise ValueError(
            f"{output_dir} already holds another run. Resume that with ckpt_path={output_dir}, or choose another folder"
            " with hydra.run.dir=…."
        )
    start = _start(found, output_dir, searched=searched, max_steps=settings["trainer"]["max_steps"])
    if searched:
        rank_zero_only(log.info)(_message(start))
    if found is not None and not start.is_finished:
        _check_fits(*found, state, settings)
    return start


@rank_zero_only
def note_origin(start: Start, output_dir: Path) -> None:
    """Note in a run's folder which other run it resumes, if any: ``resume=auto`` then leaves that one alone."""
    if start.checkpoint is None or start.results_dir != output_dir:
        return
    origin = start.checkpoint.resolve().parents[1]
    if origin == output_dir.resolve() or start.checkpoint.parent.name != "checkpoints":
        return
    # A relative path: runs may be moved together.
    record = {"run": os.path.relpath(origin, output_dir.resolve()), "step": start.step}
    with atomic_write(output_dir / _ORIGIN) as file:
        file.write(f"{json.dumps(record)}\n".encode())


def own_run(output_dir: Path, settings: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The run in a folder, finished or not, if it is of the same kind; returns as ``unfinished_run``.

    Raises:
        WeightsError: If its checkpoint cannot be read.
    """
    file = output_dir / "checkpoints" / "last.ckpt"
    if not file.is_file():
        return None
    checkpoint = _read_to_resume(file)
    return (file, checkpoint) if _identity(stored_settings(checkpoint)) == _identity(flat(settings)) else None


def unfinished_run(root: Path, settings: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The newest run of the same kind in a folder of runs that lacks steps or the closing test.

    A run is skipped if another of the same kind was resumed from its end.

    Args:
        root: Folder of runs.
        settings: The new run's settings, nested by name.

    Returns:
        Its ``last.ckpt`` and the content of that, or None.
    """
    wanted = _identity(flat(settings))
    max_steps = settings["trainer"]["max_steps"]
    files = sorted(root.glob("*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    continued: dict[Path, int] = {}  # run → the step that a newer one was resumed at
    for file in files:
        try:
            checkpoint = read_checkpoint(file)
        except WeightsError:
            continue
        step, run = checkpoint["global_step"], file.resolve().parents[1]
        if _identity(stored_settings(checkpoint)) != wanted:
            continue
        if (run / _ORIGIN).is_file():
            origin = json.loads((run / _ORIGIN).read_text(encoding="utf-8"))
            before = (run / origin["run"]).resolve()
            continued[before] = max(origin["step"], continued.get(before, 0))
        lacks = step < max_steps or (step == max_steps and not is_closed(run, step=step))
        if lacks and step > continued.get(run, -1):
            return file, checkpoint
    return None


def _start(found: tuple[Path, dict[str, Any]] | None, output_dir: Path, *, searched: bool, max_steps: int) -> Start:
    if found is None:
        return Start(None, output_dir)
    file, step = found[0], int(found[1]["global_step"])
    if step >= max_steps and not searched:
        raise ValueError(
            f"There is nothing left to train: {file} is at step {step}, and trainer.max_steps is {max_steps}. Set a"
            " larger one, or score the weights with test_only=true; resume=auto runs a closing test that is missing."
        )
    if step < max_steps:
        return Start(file, output_dir, step)
    results_dir = file.parents[1]
    return Start(file, results_dir, step, only_test=True, is_finished=is_closed(results_dir, step=step))


def _message(start: Start) -> str:
    if start.checkpoint is None:
        return "No unfinished run to resume: starting from scratch"
    if start.is_finished:
        return f"{start.results_dir} is finished, with all steps and scores: nothing to do"
    only_test = ": all steps are done, the closing test follows in its folder" if start.only_test else ""
    return f"Resuming from {start.checkpoint}{only_test}"


def _identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name.startswith(_IDENTITY) and value is not None}


def _read_to_resume(file: Path) -> dict[str, Any]:
    try:
        return read_checkpoint(file)
    except WeightsError as error:
        raise WeightsError(f"{error} Resume from another one, such as best.ckpt next to it, or start over.") from error


def _check_fits(
    file: Path, checkpoint: Mapping[str, Any], state: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> None:
    """As ``check_fits``; the error also names settings of the networks that differ, and a later version."""
    made_by = checkpoint.get("srgan_version", __version__)
    later = f"{file} was written by a later version of this project, {made_by}; this one is {__version__}."
    is_later = Version(made_by) > Version(__version__)
    if is_later:
        rank_zero_only(log.warning)("%s Trying to resume from it.", later)
    try:
        check_fits(checkpoint, state, source=file)
    except WeightsError as error:
        differences = changes(stored_settings(checkpoint), flat(settings))
        differing = [line for line in differences if line.startswith(_ARCHITECTURE)]
        raise WeightsError(
            f"{error} Different: {'; '.join(differing) or 'none of these settings'}.{f' {later}' if is_later else ''}"
        ) from error
