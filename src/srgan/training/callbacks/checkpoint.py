"""Checkpoints: the run's last state, to resume from exactly, and its best."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from srgan.system.files import atomic_write, disk_full
from srgan.training.callbacks.signals import StopSignals

_CLOCK_STEPS = 10  # steps between two reads of the clock, on which all processes must agree


class WholeFileIO(TorchCheckpointIO):
    """Write a checkpoint under a temporary name in its folder, then rename it: it is there whole or not at all.

    Lightning writes to the system's temporary folder. If that is on another disk, it then copies the file over the old
    one: a kill or a full disk leaves half of the new checkpoint and nothing of the old.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint; called on the first process only.

        Raises:
            OSError: If it cannot be written; names the file. Of a full disk, torch itself only says "unexpected pos".
        """
        try:
            with atomic_write(Path(path)) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            full = disk_full(error)
            if full is None:
                raise
            raise OSError(full.errno, full.strerror, str(path)) from None


class LastCheckpoint(Checkpoint):
    """Keep ``last.ckpt``: every N steps or minutes, at the end, and when training is interrupted or fails.

    It is only written between two steps, when both networks have done the same steps: a run resumed from it continues
    exactly. So Ctrl-C and SIGTERM wait for the end of the step (see ``StopSignals``). Lightning's own ModelCheckpoint
    wants the weights from before the step in manual optimization.

    Args:
        dirpath: Folder of the checkpoints.
        every_n_steps: Steps between two writes.
        every_minutes: Minutes between two writes, for slow steps; None counts steps only.

    Raises:
        ValueError: If an interval is not positive.
    """

    def __init__(self, *, dirpath: str | Path, every_n_steps: int, every_minutes: float | None = None) -> None:
        for name, value in (("every_n_steps", every_n_steps), ("every_minutes", every_minutes)):
            if value is not None and value <= 0:
                raise ValueError(f"Expected callbacks.last_checkpoint.{name} above 0, got {value}.")
        self.path = Path(dirpath) / "last.ckpt"
        self._every_n_steps = every_n_steps
        self._every_minutes = every_minutes
        self._last_step_saved = 0
        self._last_time_saved = time.monotonic()
        self._signals = StopSignals()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write all checkpoints of this run whole or not at all."""
        trainer.strategy.checkpoint_io = WholeFileIO()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and handle signals; a run resumed from another folder begins with a checkpoint of its own."""
        self._last_step_saved, self._last_time_saved = trainer.global_step, time.monotonic()
        origin = trainer.ckpt_path
        if origin is not None and Path(origin).resolve().parent != self.path.resolve().parent:
            trainer.save_checkpoint(self.path)  # to roll back to before the first one is due
        self._signals.install(trainer)

    def on_train_batch_start(self, *_: Any) -> None:
        """From here to the end of the batch, the state is neither before nor after the step."""
        self._signals.mid_step = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Save when it is due; never while gradients are not finite, since this state may be the cause."""
        known_to_be_good = getattr(pl_module, "has_looked", True) and not getattr(pl_module, "non_finite_phases", {})
        if self._is_due(trainer) and known_to_be_good:
            self._save(trainer)
        self._signals.mid_step = False  # only now: a signal must not cut the write short
        self._signals.obey(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final state, and obey a signal that came after the last step."""
        self._save(trainer)
        self._signals.obey(trainer)
        self._signals.restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save the state at the failure, if that was between two steps or there is no checkpoint yet."""
        self._signals.restore()
        if (self._signals.mid_step and self.path.exists()) or disk_full(exception):
            return
        if trainer.world_size == 1 or self._signals.agreed:
            self._save(trainer)  # every process gets here
        elif isinstance(exception, KeyboardInterrupt) and trainer.is_global_zero:
            # The others may be elsewhere, and Trainer.save_checkpoint would wait for them.
            content = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(content, self.path)

    def _is_due(self, trainer: Trainer) -> bool:
        step = trainer.global_step
        if step % self._every_n_steps == 0:
            return True
        if self._every_minutes is None or step % _CLOCK_STEPS:
            return False
        late = time.monotonic() - self._last_time_saved > 60 * self._every_minutes
        return bool(trainer.strategy.broadcast(late))

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step > self._last_step_saved:
            trainer.save_checkpoint(self.path)
            self._last_step_saved, self._last_time_saved = trainer.global_step, time.monotonic()


class BestCheckpoint(ModelCheckpoint):
    """Keep ``best.ckpt``, the state with the best validation score so far.

    Args:
        dirpath: Folder of the checkpoints.
        monitor: The logged score: ``val/psnr_y``, or ``val/detail_distance`` for the adversarial phase.
        mode: Which score is better, the largest (``max``) or the smallest (``min``).
    """

    def __init__(self, *, dirpath: str | Path, monitor: str = "val/psnr_y", mode: str = "max") -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a score that no validation will log, before the first step.

        Raises:
            ValueError: If the score needs a content loss and there is none.
        """
        if self.monitor == "val/detail_distance" and pl_module.generator_loss.content is None:  # type: ignore[union-attr]
            raise ValueError(
                "Expected a content loss (loss=srgan) to choose best.ckpt by val/detail_distance, got none. Without one"
                " set callbacks.best_checkpoint.monitor=val/psnr_y callbacks.best_checkpoint.mode=max."
            )
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the best score of a resumed run, unless it resumes in another folder, which has a best of its own."""
        if state_dict.get("dirpath") != self.dirpath:
            return
        best = Path(str(self.dirpath)) / "best.ckpt"
        if best.is_file():  # newer than the checkpoint resumed from, if that was written before its validation
            newer = torch.load(best, map_location="cpu", weights_only=True, mmap=True)["callbacks"]
            state_dict = newer.get(self.state_key, state_dict)
        super().load_state_dict(state_dict)
