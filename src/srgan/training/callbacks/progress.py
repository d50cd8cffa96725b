"""A progress bar in steps of the whole run, since the training data has no epochs."""

import sys
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

_REFRESH_STEPS = 5
_REFRESH_STEPS_IN_A_LOG = 50  # where each refresh is a new line


class StepProgressBar(TQDMProgressBar):
    """Steps done of ``max_steps``, the phase, and the losses."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=_REFRESH_STEPS if sys.stderr.isatty() else _REFRESH_STEPS_IN_A_LOG)

    @property
    def total_train_batches(self) -> int:
        """The run's steps."""
        return self.trainer.max_steps

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Start at the step that a resumed run starts at."""
        self.train_progress_bar.reset(total=trainer.max_steps)
        self.train_progress_bar.initial = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Name the phase and count the step."""
        pretraining = trainer.global_step <= getattr(pl_module, "pretrain_steps", 0)
        self.train_progress_bar.set_description("Pretraining" if pretraining else "Adversarial", refresh=False)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, trainer.global_step - 1)

    def on_exception(self, *_: Any) -> None:
        """Close the bar, which would otherwise be drawn again below the last message."""
        if self._train_progress_bar is not None:
            self._train_progress_bar.close()

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The values next to the bar, without Lightning's version number."""
        metrics = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in metrics.items() if name != "v_num"}
