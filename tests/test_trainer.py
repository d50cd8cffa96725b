"""Tests of the Trainer's defaults: the strategy follows from the devices, and senseless settings are refused."""

import pytest
from lightning.pytorch.strategies import DDPStrategy

from srgan.trainer import build_trainer


def test_several_devices_get_ddp() -> None:
    assert isinstance(build_trainer(max_steps=1, accelerator="cpu", devices=2).strategy, DDPStrategy)


def test_one_device_needs_no_strategy() -> None:
    assert not isinstance(build_trainer(max_steps=1, accelerator="cpu", devices=1).strategy, DDPStrategy)


def test_a_strategy_that_is_named_is_kept() -> None:
    trainer = build_trainer(max_steps=1, accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true")
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy._ddp_kwargs == {"find_unused_parameters": True}


@pytest.mark.parametrize("name", ["max_steps", "val_check_interval"])
def test_steps_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected trainer\.{name} to be a whole number of 1 or more, got 0"):
        build_trainer(**{"max_steps": 1, "accelerator": "cpu", name: 0})  # type: ignore[arg-type]


def test_devices_that_are_not_there_are_named_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"trainer\.accelerator=gpu and trainer\.devices=800 to fit .*devices=auto"):
        build_trainer(max_steps=1, accelerator="gpu", devices=800)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_in_16_bits_are_refused_before_training(precision: str) -> None:
    with pytest.raises(ValueError, match=f"weights in 32 bits, got {precision}.* Set bf16-mixed or 16-mixed"):
        build_trainer(max_steps=1, accelerator="cpu", precision=precision)
