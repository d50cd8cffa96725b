"""Tests of the Trainer: the strategy follows from the devices, senseless settings are refused, and it can be exact."""

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from srgan.data.batch_changes import BatchChanges
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import Discriminator, PatchDiscriminator, UNetDiscriminator
from srgan.training import SRGAN, build_trainer

# What has no deterministic form on GPUs, by the documentation of torch.use_deterministic_algorithms.
REFUSED_ON_GPUS = re.compile(
    r"_?(avg_pool3d|adaptive_\w+_pool\dd|fractional_max_pool\dd|upsample_(linear|bilinear|bicubic|trilinear)\dd(_aa)?"
    r"|reflection_pad\dd|grid_sampler_\dd|ctc_loss)_backward|(max_unpool|nll_loss)\w*|put_?|histc|bincount|median"
)


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The names of all operations of torch's within, those of backward passes as well."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def exact_again() -> Iterator[None]:
    """Take back what a deterministic Trainer sets for the whole process."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("exact_again")
@pytest.mark.parametrize("build", [Discriminator, PatchDiscriminator, UNetDiscriminator])
def test_training_is_deterministic_where_asked_also_on_a_gpu(
    make_model: Callable[..., SRGAN],
    fit: Callable[..., Trainer],
    compose_train: Callable[..., DictConfig],
    build: Callable[..., nn.Module],
) -> None:
    """Torch raises where an operation is not; on a CPU there are few of those that it would refuse on a GPU."""
    content = ContentLoss(layer={"vgg22": 1.0, "vgg54": 1.0}, weights="random")
    loss = GeneratorLoss(content=content, pixel_weight=1.0, colour_weight=1.0)
    options = {"pretrain_steps": 1, "ema_decay": 0.9, "generator_clip_norm": 0.1}
    model = make_model(generator_loss=loss, discriminator=build(channels=2), **options)
    data = compose_train("data/degradation=real", "data/augmentation=strong").data
    degradation, augmentation = (instantiate(data[key], _convert_="all") for key in ("degradation", "augmentation"))
    with Recorded() as recorded:
        fit(model, steps=2, deterministic=True)
        changes = BatchChanges(degradation, augmentation, scale=4, seed=0)
        changes({"lr": torch.rand(4, 3, 16, 16), "hr": torch.rand(4, 3, 64, 64)}, first_sample=0)
    assert torch.are_deterministic_algorithms_enabled()
    assert {"convolution_backward", "max_pool2d_with_indices_backward"} <= recorded.names  # else this shows nothing
    assert [name for name in recorded.names if REFUSED_ON_GPUS.fullmatch(name)] == []


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
    with pytest.raises(ValueError, match=r"this machine .*accelerator=gpu and trainer\.devices=800: .*devices=auto"):
        build_trainer(max_steps=1, accelerator="gpu", devices=800)


def test_any_argument_of_lightnings_is_passed_on() -> None:
    trainer: Any = build_trainer(
        max_steps=9, accelerator="cpu", fast_dev_run=2, profiler="simple", num_sanity_val_steps=0
    )
    assert (trainer.max_steps, trainer.fast_dev_run) == (2, 2)
    assert isinstance(trainer.profiler, SimpleProfiler)
    assert build_trainer(max_steps=1, accelerator="cpu", num_sanity_val_steps=3).num_sanity_val_steps == 3


def test_a_misspelled_argument_is_named_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"Expected trainer\.devcies to be an argument of Lightning's .*, devices,"):
        build_trainer(max_steps=1, devcies=1)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("gradient_clip_val", "model.generator_clip_norm"), ("accumulate_grad_batches", "model.num_micro_batches")],
)
def test_what_is_set_elsewhere_is_refused_with_where(name: str, instead: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected no trainer\.{name}, .* Set {instead}"):
        build_trainer(max_steps=1, **dict[str, Any]({name: 2}))


def test_a_value_that_lightning_refuses_is_named() -> None:
    with pytest.raises(ValueError, match=r"settings of trainer .*limit_train_batches"):
        build_trainer(max_steps=1, accelerator="cpu", limit_train_batches=-1)


def test_batchnorm_is_synchronised_between_gpus_alone() -> None:
    with pytest.raises(ValueError, match=r"Expected trainer\.sync_batchnorm=false on cpu"):
        build_trainer(max_steps=1, accelerator="cpu", devices=2, sync_batchnorm=True)
    build_trainer(max_steps=1, accelerator="cpu", devices=1, sync_batchnorm=True)  # nothing to synchronise


@pytest.mark.filterwarnings("ignore:You requested to overfit")
def test_overfitting_repeats_its_batches(make_model: Callable[..., SRGAN], fit: Callable[..., Trainer]) -> None:
    class Batches(Callback):
        hr: ClassVar[list[torch.Tensor]] = []

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self.hr.append(batch["hr"].clone())

    trainer = fit(make_model(pretrain_steps=3), steps=3, overfit_batches=1, callbacks=(Batches(),))
    assert trainer.global_step == 3
    assert torch.equal(Batches.hr[0], Batches.hr[1])
    assert torch.equal(Batches.hr[0], Batches.hr[2])


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_in_16_bits_are_refused_before_training(precision: str) -> None:
    with pytest.raises(ValueError, match=f"weights in 32 bits, got {precision}.* Set bf16-mixed or 16-mixed"):
        build_trainer(max_steps=1, accelerator="cpu", precision=precision)


@pytest.mark.parametrize(("fast", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_precision_is_bf16_where_that_is_fast(fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srgan.training.trainer.has_fast_bf16", lambda: fast)
    assert build_trainer(max_steps=1, precision="auto", accelerator="cpu").precision == expected
