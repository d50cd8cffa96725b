"""How many images a second the training takes in, over all processes."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Log ``train/images_per_second``: crops of a step over the time from its start to the next step's start."""

    def __init__(self) -> None:
        self._previous_start: float | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Take the time since the last step began, waiting for data included."""
        now = time.perf_counter()
        if self._previous_start is not None:
            images = len(batch["hr"]) * trainer.world_size
            pl_module.log("train/images_per_second", images / (now - self._previous_start))
        self._previous_start = now

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the time of a validation out."""
        self._previous_start = None
