"""Tests of the LightningModule's options: micro-batches, half precision, compiled networks, other games."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn

from srgan.data import SuperResolutionDataModule
from srgan.losses import GeneratorLoss
from srgan.networks import Generator
from srgan.training import SRGAN, build_trainer
from tests.training.watched import Recorder, changed, parameters

MakeModel = Callable[..., SRGAN]


def test_micro_batches_make_the_same_step(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    finals = []
    for num_micro_batches in (1, 2):
        generator = Generator(num_blocks=1, channels=4, norm="none")  # BatchNorm sees the pieces, and so differs
        torch.manual_seed(0)
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.1)
        descent = partial(torch.optim.SGD, lr=0.1)  # Adam would amplify the rounding of vanishing gradients
        model = make_model(
            generator=generator, generator_optimizer=descent, num_micro_batches=num_micro_batches, pretrain_steps=3
        )
        fit(model, steps=3)
        finals.append(parameters(model.generator))
    for name, value in finals[0].items():
        torch.testing.assert_close(finals[1][name], value, atol=1e-6, rtol=1e-4)


def test_a_batch_that_cannot_be_cut_is_refused(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size to be a multiple of model\.num_micro_batches=3, got 2"):
        fit(make_model(num_micro_batches=3), steps=1)


@pytest.mark.parametrize("num_micro_batches", [1, 2])
def test_half_precision_trains_both_phases(
    make_model: MakeModel, fit: Callable[..., Trainer], num_micro_batches: int
) -> None:
    recorder = Recorder()
    model = make_model(pretrain_steps=1, num_micro_batches=num_micro_batches, generator_clip_norm=0.1)
    trainer = fit(model, steps=3, callbacks=(recorder,), precision="bf16-mixed")
    assert trainer.global_step == 3
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert all(math.isfinite(value) for logged in recorder.logged for value in logged.values())
    assert changed(recorder.after_batch[0], recorder.after_batch[-1], "discriminator")


@pytest.mark.parametrize("fused", [False, True])
def test_float16_overflow_lowers_the_gradient_scale_only(make_model: MakeModel, photos: Path, fused: bool) -> None:
    adam = partial(torch.optim.Adam, lr=1e-3, fused=fused)
    model = make_model(pretrain_steps=30, generator_optimizer=adam, discriminator_optimizer=adam)
    recorder = Recorder()
    faults: list[str] = []

    class Faults(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
            faults.extend(phase for phases in model.non_finite_phases.values() for phase in phases)

    trainer = build_trainer(max_steps=60, accelerator="cpu", devices=1, callbacks=[recorder, Faults()])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    trainer.strategy.precision_plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    trainer.fit(model, datamodule=SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2))
    assert scaler.get_scale() < 2.0**40
    first, last = recorder.after_batch[0], recorder.after_batch[-1]
    assert not changed(recorder.before_step[0][1], first, "generator")  # too large: the first step was skipped
    assert all(changed(first, last, network) for network in ("generator", "discriminator"))  # the scale was found
    assert trainer.callback_metrics["train/generator_gradient_norm"] < 100  # without the scale of thousands
    assert not faults


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # torch's own look
def test_compiled_networks_make_the_same_steps(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    finals = []
    for compile_networks in (False, True):
        torch.manual_seed(0)
        generator = Generator(num_blocks=1, channels=4, norm="batch", global_skip="none")
        model = make_model(generator=generator, pretrain_steps=1, compile_networks=compile_networks)
        fit(model, steps=3, precision="64-true")  # where rounding cannot be taken for another result, or hide one
        finals.append(model.state_dict())
    torch.testing.assert_close(finals[1], finals[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrain_steps": -1}, r"Expected model\.pretrain_steps of 0 or more, got -1"),
        ({"window_shift": -1}, r"Expected model\.window_shift of 0 or more, got -1"),
        ({"generator_clip_norm": 0.0}, r"Expected model\.generator_clip_norm above 0"),
    ],
)
def test_settings_without_sense_are_refused(make_model: MakeModel, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**changes)


@pytest.mark.parametrize("gan", ["relativistic", "lsgan", "hinge"])
def test_every_game_trains_both_networks(make_model: MakeModel, fit: Callable[..., Trainer], gan: str) -> None:
    loss = GeneratorLoss(content=None, content_weight=0, adversarial_weight=1.0, gan=gan, r1_weight=1.0)  # type: ignore[arg-type]
    model, recorder = make_model(generator_loss=loss), Recorder()
    before = parameters(model)
    fit(model, steps=1, callbacks=(recorder,))
    assert changed(before, parameters(model), "generator")
    assert changed(before, parameters(model), "discriminator")
