"""Tests of the whole program on a pretended card: nothing is left behind on the CPU, and no step waits for the card."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from omegaconf import DictConfig
from torch import Tensor

from fake_cuda import PretendedCard, PretendedStrategy, pretended_card
from srgan.data.batch_changes import BatchChanges
from srgan.inference import Consistent, SelfEnsemble, for_inference, new_canvas, trust_map, upscale, with_precision
from srgan.inference.precision import Precision as InferencePrecision
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import Discriminator, Generator, UNetDiscriminator
from srgan.training import SRGAN
from srgan.training.callbacks import DetailDistance, FlightRecorder

MakeModel = Callable[..., SRGAN]
Batch = dict[str, Any]


class Batches:
    """The same batch again and again, or a number of times."""

    def __init__(self, *, size: int = 4, times: int = 10**6) -> None:
        self.times = times
        self.batch = {"lr": torch.rand(size, 3, 8, 8), "hr": torch.rand(size, 3, 32, 32), "name": ["photo"] * size}

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.times):
            yield dict(self.batch)


class WaitsOfSteps(Callback):
    """What each step waited for, from one batch's end to that of the next."""

    def __init__(self, card: PretendedCard) -> None:
        self.card, self.steps = card, list[list[str]]()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.steps.append(self.card.waits[:])
        self.card.waits.clear()


def _precision(name: str, device: torch.device) -> Precision:
    if name == "32-true":
        return Precision()
    scaler = torch.amp.GradScaler("cpu") if name == "16-mixed" else None  # one for cuda would look for the card
    return MixedPrecision(name, device.type, scaler=scaler)  # type: ignore[arg-type]


def fit(
    model: SRGAN, card: PretendedCard, *, steps: int = 3, precision: str = "32-true", log_every_n_steps: int = 50,
    val: list[Batch] | None = None, callbacks: tuple[Callback, ...] = (),
) -> Trainer:
    trainer = Trainer(
        max_steps=steps, max_epochs=-1, strategy=PretendedStrategy(card.device), plugins=[_precision(precision, card.device)],
        logger=[], enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        log_every_n_steps=log_every_n_steps, num_sanity_val_steps=0, val_check_interval=steps, check_val_every_n_epoch=None,
        callbacks=[*callbacks],
    )
    trainer.fit(model, Batches(), val)
    return trainer

@pytest.fixture
def fused(make_model):
    adam = partial(torch.optim.Adam, lr=1e-3, fused=True)
    return partial(make_model, generator_optimizer=adam, discriminator_optimizer=adam)

@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_print(fused, device, precision, tmp_path):
    loss = GeneratorLoss(content=ContentLoss(layer="vgg22", weights="random"), pixel_weight=1.0, colour_weight=1.0)
    model = fused(generator_loss=loss, pretrain_steps=3, ema_decay=0.9, generator_clip_norm=0.1, num_micro_batches=1)
    val=Batches(size=1,times=2)
    with pretended_card(device) as card:
        w = WaitsOfSteps(card)
        rec=FlightRecorder(dirpath=tmp_path,checkpoint=tmp_path/"x")
        fit(model, card, steps=7, precision=precision, callbacks=(rec,DetailDistance(),w),val=val)
        for i in (2,6): print(i, len(w.steps[i]), w.steps[i])
        print("val", len(card.waits), card.waits)
