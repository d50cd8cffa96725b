"""A callback for tests: it sends its own process a signal in the middle of a step."""

import os
from typing import Any

from lightning import Callback, Trainer


class StopAt(Callback):
    """Send a signal in the second step.

    Args:
        number: Which signal.
    """

    def __init__(self, *, number: int) -> None:
        self._number = number

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Before the step counts as over, since checkpoints are the last of the callbacks."""
        if trainer.global_step == 2:
            os.kill(os.getpid(), self._number)
