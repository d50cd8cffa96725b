"""Training on a pretended card: batches of noise, a trainer, and a note of what each step waited for."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.plugins.precision import Precision as FullPrecision

from srgan.data import SuperResolutionDataModule
from srgan.data.batch_changes import BatchChanges
from tests.fake_cuda import PretendedCard, PretendedStrategy

LOOK_STEPS = 2  # between two looks of short runs


class Data(SuperResolutionDataModule):
    """Batches of noise, degraded and augmented as the real ones are."""

    def __init__(self, changes: BatchChanges | None, *, num_val: int) -> None:
        self.trainer, self.num_val = None, num_val
        self.prepare_data_per_node = self.allow_zero_length_dataloader_with_multiple_devices = False
        self._change, self._batch_size = changes or BatchChanges(None, None, scale=4, seed=0), 2

    def setup(self, stage: str) -> None:
        """Nothing is to be found."""

    def train_dataloader(self) -> Any:
        return Batches(self._batch_size, times=1000)

    def val_dataloader(self) -> Any:
        return Batches(1, times=self.num_val)

    def state_dict(self) -> dict[str, Any]:
        return {}


class Batches:
    """The same batch a number of times."""

    def __init__(self, size: int, *, times: int) -> None:
        self.batch = {"lr": torch.rand(size, 3, 10, 10), "hr": torch.rand(size, 3, 40, 40), "name": ["photo"] * size}
        self.times = times

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(self.batch) for _ in range(self.times))


class Watch(Callback):
    """The devices of the parameters, and what each step waited for."""

    def __init__(self, card: PretendedCard) -> None:
        self.card = card
        self.devices: set[torch.device] = set()
        self.waits: list[list[str]] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.card.waits.clear()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.devices |= {parameter.device for parameter in pl_module.parameters()}
        self.waits.append(self.card.waits[:])


def trainer_on(card: PretendedCard, *callbacks: Callback, precision: str = "32-true", steps: int = 2) -> Trainer:
    scaler = torch.amp.GradScaler("cpu") if precision == "16-mixed" else None  # one for cuda would look for a driver
    mixed = partial(MixedPrecision, precision, card.device.type, scaler=scaler)  # type: ignore[arg-type]
    return Trainer(
        max_steps=steps,
        max_epochs=-1,
        strategy=PretendedStrategy(card.device),
        plugins=[FullPrecision() if precision == "32-true" else mixed()],
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=LOOK_STEPS,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        check_val_every_n_epoch=None,
    )
