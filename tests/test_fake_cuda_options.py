"""Tests of every option on a pretended card: settings of training, scores, and the library's front door.

What is left out, as it cannot be pretended: reading and writing files on the card's side (they want numbers),
``precision=auto`` on CUDA and ``tile_size=auto`` on CUDA and MPS (both ask the driver), and numbers themselves: a
branch that depends on one goes the way of zero. Not tried: ``torch.compile``, and several processes. Of MPS, the
pretended one has no float64, as the real one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image
from torchvision import models

from srgan import Upscaler
from srgan.data.batch_changes import BatchChanges
from srgan.evaluation import lpips
from srgan.evaluation.evaluate import evaluate
from srgan.evaluation.lpips import Lpips
from srgan.evaluation.scorecard import Distance
from srgan.inference import Precision, for_inference, new_canvas
from srgan.inference.tile_layout import windows
from srgan.losses import ContentLoss
from srgan.networks import Generator
from srgan.training import SRGAN
from srgan.training.callbacks import DetailDistance
from tests.fake_cuda import PretendedCard, pretended_card
from tests.fake_training import Batches, Data, Watch, trainer_on

DEVICES = ["cuda", "mps", "xpu"]
# As on the command line; together they hold every value that decides what is computed. The card runs all of them, the
# other devices, which differ in what torch computes in 16 bits and in the copies, those with the most operations.
OPTIONS = {
    "l1": "loss.pixel_criterion=l1 loss.pixel_weight=1 loss.colour_weight=1 loss.content.criterion=l1",
    "mse": "loss.pixel_criterion=mse loss.pixel_weight=1 loss.content.before_activation=true",
    "charbonnier": "loss.pixel_criterion=charbonnier loss.pixel_weight=1 loss.content.full_precision=false",
    "bce": "loss=pixel_bce",
    "no pictures to judge": "loss=pixel",
    "several layers": "loss.content.layer={vgg22:1,vgg43:0.5} loss.content.network=vgg16",
    "patches": "discriminator=patch discriminator.channels=2 data/degradation=classical",
    "spectral norm": "discriminator=unet_sn discriminator.channels=2 model.discriminator_clip_norm=1",
    "BatchNorm": "generator=paper generator.num_blocks=1 generator.channels=4 data/augmentation=few_photos",
    "windows": "model.window_shift=8 model.adversarial_ramp_steps=3 model.num_micro_batches=2",
    "plain": "model.ema_decay=null model.generator_clip_norm=null",
    "other optimizers": "model.generator_optimizer.fused=false ~model.discriminator_optimizer.fused"
    " model.discriminator_optimizer._target_=torch.optim.RMSprop",
    "all that spoils": "data/degradation=real data/augmentation=strong",
}
MOST = ("l1", "spectral norm", "all that spoils")
CASES = [
    *(("cuda", name) for name in OPTIONS),
    *((device, name) for device in ("mps", "xpu") for name in MOST),
]


@pytest.mark.parametrize(("device", "option"), CASES)
def test_every_setting_trains_and_validates(compose_train: Callable[..., DictConfig], device: str, option: str) -> None:
    settings = compose_train("model.pretrain_steps=1", *OPTIONS[option].split(" "))
    model: SRGAN = instantiate(settings.model, _convert_="all")
    degradation, augmentation = (
        instantiate(settings.data[name], _convert_="all") for name in ("degradation", "augmentation")
    )
    changes = BatchChanges(degradation, augmentation, scale=4, seed=0)
    with pretended_card(device) as card:
        watch = Watch(card)
        trainer = trainer_on(card, watch, DetailDistance(), precision="16-mixed" if device == "cuda" else "bf16-mixed")
        trainer.fit(model, Data(changes, num_val=1))
    assert trainer.global_step == 2
    assert watch.devices == {card.device}
    assert "val/psnr_y" in trainer.callback_metrics


@pytest.fixture
def generator() -> Generator:
    return Generator(num_blocks=1, channels=4).eval()


@pytest.mark.parametrize("device", DEVICES)
def test_all_scores_are_measured(generator: Generator, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    features = models.alexnet().features.eval()
    monkeypatch.setattr(models, "alexnet", lambda weights: SimpleNamespace(features=features))
    monkeypatch.setattr(lpips, "_check", lambda file: None)
    content, metric = ContentLoss(layer="vgg22", weights="random"), Lpips(torch.device("cpu"))._metric
    # Its weights are read from a file, and so before the card is pretended.
    monkeypatch.setattr("torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity", lambda **_: metric)
    with pretended_card(device) as card:
        distances: dict[str, Distance] = {"lpips": Lpips(card.device), "feature_distance": content.to(card.device)}
        scores = evaluate({"last": generator.to(card.device)}, Batches(1, times=2), distances=distances).scores
    assert {"psnr_y", "ssim_rgb_border0", "lpips", "feature_distance"} <= scores["last"]["mean"].keys()


@pytest.fixture
def upscaler_on(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """An ``Upscaler`` on a pretended card."""
    weights = for_inference(generator)
    monkeypatch.setattr("srgan.inference.upscaler.load_generator", lambda path: generator)
    # Its slopes are read as numbers, and so before the card is pretended.
    monkeypatch.setattr("srgan.inference.upscaler.for_inference", lambda generator: weights)

    @contextmanager
    def made(device: str, **options: Any) -> Iterator[tuple[Upscaler, PretendedCard]]:
        with pretended_card(device) as card:
            upscaler = Upscaler(device=str(card.device), tile_size=8, **options)
            card.waits.clear()
            yield upscaler, card

    return made


@pytest.mark.filterwarnings("ignore:tile_size=8 is less than:UserWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("device", DEVICES)
def test_the_library_enlarges_whatever_comes(
    upscaler_on: Callable[..., Any], device: str, precision: Precision
) -> None:
    with upscaler_on(device, precision=precision, batch_size=2, self_ensemble=True, consistency=True) as (upscaler, _):
        assert upscaler(Image.new("RGBA", (20, 12))).size == (80, 48)
        assert upscaler(np.zeros((12, 20), dtype=np.uint16)).shape == (48, 80)
        lr = torch.rand(1, 3, 12, 20)
        sr = upscaler.enlarge(lr, out=new_canvas(48, 80, dtype=torch.uint16))
        assert upscaler.trust_map(lr, sr).device.type == "cpu"


@pytest.mark.filterwarnings("ignore:tile_size=8 is less than:UserWarning")
@pytest.mark.parametrize("batch_size", [1, 2])
def test_options_of_prediction_wait_no_more(upscaler_on: Callable[..., Any], batch_size: int) -> None:
    options = {"precision": "fp16", "batch_size": batch_size, "self_ensemble": True, "consistency": True}
    with upscaler_on("cuda", **options) as (upscaler, card):
        upscaler.enlarge(torch.rand(1, 3, 8, 200))
        num_tiles = len(windows(200, 8, upscaler._network.receptive_radius))
        waits = card.waits.copy()
    assert num_tiles > 2
    assert len(waits) == -(-num_tiles // batch_size) + 1, (
        waits
    )  # each batch is fetched; one look, whether all is finite


def test_waits_of_a_closing_test_go_with_its_methods(generator: Generator) -> None:
    content = ContentLoss(layer="vgg22", weights="random")
    with pretended_card("cuda") as card:
        network, distances = generator.to(card.device), {"feature_distance": content.to(card.device)}
        card.waits.clear()
        evaluate({"last": network}, Batches(1, times=2), distances=distances)
        waits = card.waits.copy()
    # Two to enlarge; the original there, and of bicubic and the network each the image there and the distance back.
    assert len(waits) == 2 * (2 + 1 + 2 * 2), waits
