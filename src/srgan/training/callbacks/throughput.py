"""Logs how fast training is, how long it waits for data, how much memory it takes, and when it will end."""

import logging
import math
import sys
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

_FORECAST_AFTER = 10  # steps of a phase; the first ones are slower


class Throughput(Callback):
    """Log images per second over all processes, the share of time spent waiting for data, and the peak memory.

    A step lasts from the end of the previous one to its own end, without validations. The figures are means over the
    steps between two logs, since a GPU's time shows only when the host waits for it. After ten steps of each phase, its
    remaining time is forecast: on the console, and as ``train/forecast_hours``.
    """

    def __init__(self) -> None:
        self._previous_end = 0.0
        self._start = 0.0
        self._phase = ""
        self._durations: list[float] = []
        self._images, self._seconds, self._waited = 0, 0.0, 0.0  # since the last log

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._previous_end = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        """The data has arrived."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the figures with the values that the module logs."""
        now = time.perf_counter()
        duration = now - self._previous_end
        self._images += len(batch["hr"]) * trainer.world_size
        self._seconds += duration
        self._waited += self._start - self._previous_end
        if getattr(pl_module, "has_looked", True):
            self._log(pl_module)
        self._forecast(trainer, pl_module, duration)
        self._previous_end = time.perf_counter()

    def _log(self, pl_module: LightningModule) -> None:
        values = {
            "images_per_second": self._images / self._seconds,
            "data_wait_percent": 100 * self._waited / self._seconds,
            "peak_memory_gb": peak_memory_gb(pl_module.device),
        }
        # Tensors on the CPU: Lightning would put numbers on the device, which waits for each.
        pl_module.log_dict({f"train/{name}": torch.tensor(value) for name, value in values.items()})
        self._images, self._seconds, self._waited = 0, 0.0, 0.0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out the time of a validation."""
        self._previous_end = time.perf_counter()

    def _forecast(self, trainer: Trainer, pl_module: LightningModule, duration: float) -> None:
        pretrain_steps = getattr(pl_module, "pretrain_steps", 0)
        pretraining = trainer.global_step <= pretrain_steps
        phase, end = ("Pretraining", pretrain_steps) if pretraining else ("Adversarial phase", trainer.max_steps)
        steps_after = max(0, trainer.max_steps - end)
        if phase != self._phase:
            self._phase, self._durations = phase, []
        self._durations.append(duration)
        if len(self._durations) != _FORECAST_AFTER:
            return
        seconds = sorted(self._durations)[_FORECAST_AFTER // 2]
        left = (min(end, trainer.max_steps) - trainer.global_step) * seconds
        for logger in trainer.loggers:
            logger.log_metrics({"train/forecast_hours": left / 3600}, step=trainer.global_step - 1)
        if trainer.is_global_zero:
            # The duration of adversarial steps is not known before the first one.
            where = f"in pretraining, {steps_after} longer steps follow" if steps_after else "in the run"
            memory = peak_memory_gb(pl_module.device)
            log.info(
                "%s: %.2f s per step, about %s left %s, peak %.1f GB", phase, seconds, in_words(left), where, memory
            )


def peak_memory_gb(device: torch.device) -> float:
    """Peak memory so far in GB: of the GPU, or of this process without one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    if sys.platform == "win32":  # whose standard library does not report it
        return math.nan
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def in_words(seconds: float) -> str:
    """A duration as a person says it: ``40 s``, ``12 min``, ``31 h``, ``4.2 days``."""
    for limit, unit, size in ((90, "s", 1), (90 * 60, "min", 60), (72 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"
