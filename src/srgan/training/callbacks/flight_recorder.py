"""Watches training for what usually goes wrong, records it, and rolls back if training has diverged."""

import copy
import csv
import logging
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from srgan.system.files import atomic_write

log = logging.getLogger(__name__)

_WATCH_STEPS = 10  # steps between two checks of values; a multiple of the module's own period
_SATURATED_CHECKS = 3  # a single batch may be easy
_MAX_BATCHES = 10  # files per process: failing for hours must not fill the disk
_COLUMNS = ("step", "event", "detail")


class DivergedError(ValueError):
    """Training cannot continue; the message names the step and what was saved."""


class FlightRecorder(Callback):
    """Record events in ``events.csv`` and the loggers, save the batches of dropped steps, and roll back.

    The module drops a step whose gradient is not finite. After ``max_dropped`` of them in a row, the networks and
    optimizers go back to ``last.ckpt`` and the learning rates are halved; the step counter and the data continue, so
    that the same batches do not come again. After ``max_rollbacks`` of these, training stops. The first ten batches of
    a run are kept; if a file cannot be written, training continues without it.

    Args:
        dirpath: Folder for the events and the saved batches.
        checkpoint: The file to roll back to.
        max_dropped: Dropped steps in a row before a rollback.
        max_rollbacks: Rollbacks before training stops.
        saturated_loss: A discriminator loss below this at three checks in a row, every ten steps, is an event: the
            discriminator no longer teaches the generator.
        colour_limit: A colour drift above this, in units of [0, 1], is an event.
        checkerboard_limit: Likewise for the checkerboard.
    """

    def __init__(
        self,
        *,
        dirpath: str | Path,
        checkpoint: str | Path,
        max_dropped: int = 10,
        max_rollbacks: int = 3,
        saturated_loss: float = 0.02,
        colour_limit: float = 0.02,
        checkerboard_limit: float = 0.01,
    ) -> None:
        for name, value in (("max_dropped", max_dropped), ("max_rollbacks", max_rollbacks)):
            if value < 1:
                raise ValueError(f"Expected callbacks.flight_recorder.{name} of 1 or more, got {value}.")
        self._dirpath = Path(dirpath)
        self._checkpoint = Path(checkpoint)
        self._max_dropped, self._max_rollbacks = max_dropped, max_rollbacks
        # Value → limit, and on which side of it the event is.
        self._limits = {
            "discriminator_loss": (saturated_loss, "below"),
            "colour_drift": (colour_limit, "above"),
            "checkerboard": (checkerboard_limit, "above"),
        }
        self._num_beyond = dict.fromkeys(self._limits, 0)  # checks in a row
        self._num_dropped = 0
        self._num_rollbacks = 0
        self._last_lr: Tensor | None = None
        self._batches: dict[int, dict[str, Any]] = {}  # step → batch, of steps whose outcome is not known yet

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int
    ) -> None:
        """Check the steps whose outcome is known now."""
        self._last_lr = batch["lr"]
        self._batches[trainer.global_step] = batch
        if not pl_module.has_looked:
            return
        batches, self._batches = self._batches, {}
        faults = pl_module.non_finite_phases
        assert isinstance(faults, dict)
        for step, each in batches.items():
            if step in faults:
                self._dropped(trainer, pl_module, step, each, faults[step])
            else:
                self._num_dropped = 0
        if trainer.global_step % _WATCH_STEPS == 0 and trainer.global_step not in faults:
            self._watch(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log how much BatchNorm makes the generator differ between training and evaluation mode."""
        generator = pl_module.generator
        assert isinstance(generator, nn.Module)
        norms = [module for module in generator.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if self._last_lr is None or not norms:
            return
        twin = copy.deepcopy(generator)  # since training mode changes the running statistics
        gap = (twin.eval()(self._last_lr) - twin.train()(self._last_lr)).square().mean().sqrt()
        self._log(trainer, {"train/batchnorm_gap": float(gap)})

    def state_dict(self) -> dict[str, Any]:
        """The number of rollbacks."""
        return {"num_rollbacks": self._num_rollbacks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of rollbacks."""
        self._num_rollbacks = state_dict["num_rollbacks"]

    def _dropped(
        self, trainer: Trainer, pl_module: LightningModule, step: int, batch: dict[str, Any], phases: list[str]
    ) -> None:
        self._num_dropped += 1
        saved = self._save_batch(trainer, step, batch)
        self._event(trainer, "dropped", f"gradient of the {' and the '.join(phases)} is not finite; {saved}", step=step)
        if self._num_dropped < self._max_dropped:
            return
        self._num_dropped = 0
        if not self._checkpoint.exists() or self._num_rollbacks == self._max_rollbacks:
            tried = (
                f"after {self._num_rollbacks} rollbacks"
                if self._num_rollbacks
                else "without a checkpoint to go back to"
            )
            raise DivergedError(
                f"Training has diverged: at step {step} the last {self._max_dropped} gradients were not"
                f" finite, {tried} ({saved}). Look at the batches in {self._dirpath}, or lower the learning rates"
                " (model.*_optimizer.lr)."
            )
        self._num_rollbacks += 1
        origin = roll_back(trainer, pl_module, self._checkpoint)
        self._event(trainer, "rolled back", f"to the state of step {origin}, with half the learning rates")

    def _watch(self, trainer: Trainer) -> None:
        for name, (limit, side) in self._limits.items():
            value = trainer.callback_metrics.get(f"train/{name}")
            if value is None:
                continue
            beyond = bool(value < limit) if side == "below" else bool(value > limit)
            self._num_beyond[name] = self._num_beyond[name] + 1 if beyond else 0
            if self._num_beyond[name] == (_SATURATED_CHECKS if name == "discriminator_loss" else 1):
                self._event(trainer, name, f"{float(value):.4g} is {side} {limit}")

    def _save_batch(self, trainer: Trainer, step: int, batch: dict[str, Any]) -> str:
        rank = trainer.global_rank
        if len(list(self._dirpath.glob(f"batch_*_{rank}.pt"))) >= _MAX_BATCHES:
            return f"batch not saved: there are {_MAX_BATCHES} already"
        path = self._dirpath / f"batch_{step:07d}_{rank}.pt"
        try:
            with atomic_write(path) as file:
                torch.save({"lr": batch["lr"].cpu(), "hr": batch["hr"].cpu(), "name": batch["name"]}, file)
        except (OSError, RuntimeError) as error:  # torch's own writer raises the latter on a full disk
            return f"batch not saved: {error}"
        return f"batch in {path}"

    def _event(self, trainer: Trainer, event: str, detail: str, *, step: int | None = None) -> None:
        """Record what happened at a step, by default the current one."""
        if not trainer.is_global_zero:
            return
        step = trainer.global_step if step is None else step
        log.warning("Step %d: %s: %s", step, event, detail)
        try:
            self._write_down((step, event, detail))
        except OSError as error:
            log.warning("The event could not be recorded: %s", error)
        self._log(trainer, {f"events/{event.replace(' ', '_')}": 1.0})

    def _write_down(self, row: tuple[int, str, str]) -> None:
        self._dirpath.mkdir(parents=True, exist_ok=True)
        path = self._dirpath / "events.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([*([_COLUMNS] if is_new else []), row])

    @staticmethod
    def _log(trainer: Trainer, values: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step - 1)


def roll_back(trainer: Trainer, pl_module: LightningModule, path: Path) -> int:
    """Restore the networks and optimizers of a checkpoint and halve the learning rates; the step counter stays.

    Returns:
        The checkpoint's step.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    pl_module.load_state_dict(checkpoint["state_dict"])
    for optimizer, state in zip(trainer.optimizers, checkpoint["optimizer_states"], strict=True):
        optimizer.load_state_dict(state)
    step = int(checkpoint["global_step"])
    if step <= pl_module.pretrain_steps < trainer.global_step:  # type: ignore[operator] # an int of SRGAN
        trainer.optimizers[0].state.clear()  # moments of the pixel loss, as in SRGAN
    pl_module.learning_rate_scale = pl_module.learning_rate_scale / 2  # type: ignore[assignment, operator]
    return step
