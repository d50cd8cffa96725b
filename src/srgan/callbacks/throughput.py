"""How many images a second the training takes in, over all processes."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Log ``train/images_per_second``: crops of a step over the time since the last one ended, validation left out."""

    def __init__(self) -> None:
        self._previous_end = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._previous_end = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the time since the last step ended, waiting for data included."""
        now = time.perf_counter()
        images = len(batch["hr"]) * trainer.world_size
        pl_module.log("train/images_per_second", images / (now - self._previous_end))
        self._previous_end = now

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the time of a validation out."""
        self._previous_end = time.perf_counter()
