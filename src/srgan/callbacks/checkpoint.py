"""Checkpoints: the run's last state, from which it can go on, and its best."""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint


class LastCheckpoint(Checkpoint):
    """Keep ``last.ckpt``: every N steps, at the end, and when training is interrupted or fails.

    Lightning's own ModelCheckpoint, in manual optimization, asks for the weights from before the step.

    Args:
        dirpath: Folder of the checkpoints.
        every_n_steps: Steps between two writes.
    """

    def __init__(self, *, dirpath: str | Path, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"Expected callbacks.last_checkpoint.every_n_steps of 1 or more, got {every_n_steps}.")
        self._path = Path(dirpath) / "last.ckpt"
        self._every_n_steps = every_n_steps
        self._last_step_saved = 0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Save at every N-th step."""
        if trainer.global_step % self._every_n_steps == 0:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final state."""
        self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save where the run broke off, unless other processes would have to take part and may be gone."""
        if trainer.world_size == 1 or isinstance(exception, KeyboardInterrupt):
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step > self._last_step_saved:
            self._last_step_saved = trainer.global_step
            trainer.save_checkpoint(self._path)


class BestCheckpoint(ModelCheckpoint):
    """Keep ``best.ckpt``, the state with the best validation score so far.

    Args:
        dirpath: Folder of the checkpoints.
        monitor: The score, as it is logged.
        mode: ``max`` or ``min``.
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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best score of a resumed run, unless it resumes in another folder, which has its own best."""
        if state_dict.get("dirpath") == self.dirpath:
            super().load_state_dict(state_dict)
