"""Tests of the program on a pretended card: nothing is left behind on the CPU, and few steps wait for the card."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError
from torch.nn import functional

from srgan.data.batch_changes import BatchChanges
from srgan.inference import Consistent, Precision, SelfEnsemble, for_inference, new_canvas, trust_map, with_precision
from srgan.inference import upscale as enlarge
from srgan.inference.tile_layout import windows
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import AnyGenerator, Discriminator, Generator, UNetDiscriminator
from srgan.training import SRGAN, updates
from srgan.training.callbacks import DetailDistance, FlightRecorder
from tests.fake_cuda import pretended_card
from tests.fake_training import LOOK_STEPS, Data, Watch, trainer_on

MakeModel = Callable[..., SRGAN]
Compose = Callable[..., DictConfig]


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short runs see looks as well."""
    monkeypatch.setattr(updates, "LOOK_STEPS", LOOK_STEPS)


@pytest.fixture
def make(make_model: MakeModel) -> MakeModel:
    """Build a tiny SRGAN as the configuration has it: fused Adam, clipping and a moving average."""
    adam = partial(torch.optim.Adam, lr=1e-3, fused=True)
    return partial(
        make_model,
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        generator_clip_norm=0.1,
        ema_decay=0.9,
        generator_loss=GeneratorLoss(content=None, content_weight=0),
    )


@pytest.fixture
def make_changes(compose_train: Compose) -> Callable[[str], BatchChanges]:
    def made(degradation: str) -> BatchChanges:
        data = compose_train(f"data/degradation={degradation}", "data/augmentation=strong").data
        return BatchChanges(
            instantiate(data.degradation, _convert_="all"), instantiate(data.augmentation), scale=4, seed=0
        )

    return made


def every_loss() -> GeneratorLoss:
    content = ContentLoss(layer="vgg22", weights="random")
    return GeneratorLoss(content=content, adversarial_weight=0.1, pixel_weight=1.0, colour_weight=1.0)


@pytest.mark.parametrize(
    ("device", "precision"),
    [("cuda", "32-true"), ("cuda", "bf16-mixed"), ("cuda", "16-mixed"), ("mps", "16-mixed"), ("xpu", "bf16-mixed")],
)
def test_both_phases_and_a_validation_run(
    make: MakeModel, make_changes: Callable[[str], BatchChanges], tmp_path: Path, device: str, precision: str
) -> None:
    model = make(generator_loss=every_loss(), pretrain_steps=1, num_micro_batches=2)
    recorder = FlightRecorder(dirpath=tmp_path, checkpoint=tmp_path / "last.ckpt")
    changes = make_changes("real")
    with pretended_card(device) as card:
        watch = Watch(card)
        trainer = trainer_on(card, watch, recorder, DetailDistance(), precision=precision)
        trainer.fit(model, Data(changes, num_val=1))
        assert {"val/psnr_y", "val/detail_distance", "train/content_loss"} <= set(trainer.callback_metrics)
    assert trainer.global_step == 2
    assert watch.devices == {card.device}


@pytest.mark.parametrize("discriminator", [Discriminator, UNetDiscriminator])
def test_a_step_waits_for_the_card_at_a_look_alone(
    make: MakeModel, tmp_path: Path, discriminator: type[nn.Module]
) -> None:
    model = make(discriminator=discriminator(channels=2), pretrain_steps=1)
    recorder = FlightRecorder(dirpath=tmp_path, checkpoint=tmp_path / "last.ckpt")
    with pretended_card("cuda") as card:
        watch = Watch(card)
        trainer_on(card, watch, recorder, steps=4).fit(model, Data(None, num_val=1))
    assert [len(waits) for waits in watch.waits] == [0, 1, 0, 1], watch.waits


def test_a_step_in_float16_waits_no_more(make: MakeModel) -> None:
    with pretended_card("cuda") as card:
        watch = Watch(card)
        trainer_on(card, watch, precision="16-mixed", steps=3).fit(make(), Data(None, num_val=1))
    assert [len(waits) for waits in watch.waits] == [0, 1, 1], watch.waits


def test_a_validated_picture_is_waited_for_once(make: MakeModel) -> None:
    waits = []
    for num_pictures in (1, 3):
        with pretended_card("cuda") as card:
            trainer_on(card, DetailDistance()).validate(make(), Data(None, num_val=num_pictures), verbose=False)
            waits.append([wait for wait in card.waits if "elsewhere" not in wait])
    assert len(waits[1]) - len(waits[0]) == 2, waits


@pytest.mark.parametrize(("degradation", "num_waits"), [("classical", 0), ("real", 2)])
def test_degrading_a_batch_waits_for_jpeg_alone(
    make_changes: Callable[[str], BatchChanges], degradation: str, num_waits: int
) -> None:
    changes = make_changes(degradation)
    with pretended_card("cuda") as card:
        batch = {"lr": torch.rand(6, 3, 8, 8, device=card.device), "hr": torch.rand(6, 3, 32, 32, device=card.device)}
        changed = changes(batch, first_sample=0)
    assert changed["lr"].device == changed["hr"].device == card.device
    assert len(card.waits) == num_waits, card.waits


@pytest.fixture
def generator() -> AnyGenerator:
    return for_inference(Generator(num_blocks=1, channels=4).eval())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_tiles_are_waited_for_once_each(generator: AnyGenerator, device: str, precision: Precision) -> None:
    lr = torch.rand(1, 3, 60, 24)
    num_tiles = len(windows(60, 8, generator.receptive_radius)) * len(windows(24, 8, generator.receptive_radius))
    with pretended_card(device) as card:
        network = with_precision(generator.to(card.device), precision)
        card.waits.clear()
        sr = enlarge(network, lr, tile_size=8, out=new_canvas(240, 96))
    assert sr.device.type == "cpu"
    assert num_tiles > 2
    # There and back on MPS, elsewhere back alone; and one look, whether all is finite.
    assert len(card.waits) == (2 if device == "mps" else 1) * num_tiles + 1, card.waits


def test_every_option_of_prediction_runs(generator: AnyGenerator) -> None:
    lr = torch.rand(1, 3, 24, 24)
    with pretended_card("cuda") as card:
        plain = with_precision(generator.to(card.device), "bf16")
        sr = enlarge(Consistent(SelfEnsemble(plain)), lr, tile_size=16, batch_size=2)
        drawn = trust_map(plain, lr, sr, tile_size=16)
    assert sr.shape == (1, 3, 96, 96)
    assert drawn.device.type == "cpu"


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_a_constant_left_on_the_cpu_is_found(make: MakeModel, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    def on_the_cpu(sr: Tensor, hr: Tensor, **_: Any) -> Tensor:
        return functional.l1_loss(sr * torch.ones(40), hr)

    monkeypatch.setattr("srgan.losses.generator.pixel_loss", on_the_cpu)
    with pretended_card(device) as card, pytest.raises(FakeTensorDeviceMismatchError, match="at least two devices"):
        trainer_on(card).fit(make(pretrain_steps=1), Data(None, num_val=1))


@pytest.mark.parametrize("line", ["loss.item()", "float(loss)", "bool(loss.isfinite())", "loss.cpu()"])
def test_what_waits_for_the_card_is_noted(line: str) -> None:
    with pretended_card("cuda") as card:
        eval(line, {"loss": torch.ones((), device=card.device)})
        assert len(card.waits) == 1


def test_mps_has_no_float64() -> None:
    with pretended_card("mps") as card, pytest.raises(TypeError, match=r"MPS has no torch\.float64"):
        torch.ones(2, device=card.device).double()
