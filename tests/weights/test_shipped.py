"""Tests of the weights that come with the package: their scores on the sample's validation photos, to the digit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from srgan.data import SuperResolutionDataModule
from srgan.data.degradations.operators import jpegs
from srgan.evaluation.evaluate import evaluate
from srgan.networks import Discriminator
from srgan.pictures.sheet import most_detailed_window
from srgan.weights import SHIPPED, load_generator, load_into_discriminator, resolve

# PSNR in dB and SSIM on Y, mean of the four photos; what the model card says.
GOLDEN = {"srresnet": (30.04, 0.8467), "srgan": (28.50, 0.8070), "web": (29.61, 0.8383)}
BICUBIC_PSNR = 28.23


@pytest.fixture(scope="module")
def scores() -> dict[str, Any]:
    """Scores of bicubic and of all shipped weights."""
    datamodule = SuperResolutionDataModule(root="sample", val_root="sample")
    datamodule.setup("test")
    generators = {name: load_generator(Path(name)) for name in SHIPPED}
    return evaluate(generators, datamodule.test_dataloader()).scores


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_score_as_the_model_card_says(scores: dict[str, Any], name: str) -> None:
    mean = scores[name]["mean"]
    assert mean["psnr_y"] == pytest.approx(GOLDEN[name][0], abs=0.01)
    assert mean["ssim_y"] == pytest.approx(GOLDEN[name][1], abs=0.001)


@pytest.mark.slow
def test_the_pixel_trained_beat_bicubic_on_every_photo(scores: dict[str, Any]) -> None:
    assert scores["bicubic"]["mean"]["psnr_y"] == pytest.approx(BICUBIC_PSNR, abs=0.01)
    for photo, cells in scores["srresnet"].items():
        assert cells["psnr_y"] > scores["bicubic"][photo]["psnr_y"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_are_small_and_say_what_they_are(name: str) -> None:
    file = resolve(Path(name))
    assert file.stat().st_size < 4_000_000
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert {"name", "scale", "steps", "data", "licence", "git_commit", "scores", "generator_config"} <= set(metadata)
    assert json.loads(metadata["scores"])["psnr_y"] == pytest.approx(GOLDEN[name][0], abs=0.01)


def test_the_shipped_judge_tells_photos_from_smooth_results() -> None:
    judge = Discriminator(channels=32)
    load_into_discriminator(judge, Path("srgan"))
    generator = load_generator(Path("srresnet"))
    datamodule = SuperResolutionDataModule(root="sample", val_root="sample")
    datamodule.setup("test")
    photos, results = [], []
    for batch in datamodule.test_dataloader():
        top, left = most_detailed_window(batch["hr"], 96, step=4)
        photos.append(batch["hr"][..., top : top + 96, left : left + 96])
        results.append(batch["lr"][..., top // 4 : top // 4 + 24, left // 4 : left // 4 + 24])
    with torch.inference_mode():  # in training mode, as it is asked in training: each batch by its own statistics
        real_logits, fake_logits = judge(torch.cat(photos)), judge(generator(torch.cat(results)).clamp(0, 1))
    assert (real_logits > fake_logits).sum() >= 3


def test_all_shipped_weights_together_stay_below_30_megabytes() -> None:
    folder = resolve(Path("srgan")).parent
    assert sum(file.stat().st_size for file in folder.iterdir()) < 30_000_000


def test_the_web_weights_restore_jpegs_better(scores: dict[str, Any]) -> None:
    datamodule = SuperResolutionDataModule(root="sample", val_root="sample")
    datamodule.setup("test")
    batches = [{**batch, "lr": jpegs([batch["lr"]], [50])[0]} for batch in datamodule.test_dataloader()]
    generators = {name: load_generator(Path(name)) for name in ("srresnet", "web")}
    compressed = evaluate(generators, batches).scores
    assert compressed["web"]["mean"]["psnr_y"] > compressed["srresnet"]["mean"]["psnr_y"] + 0.4
    assert scores["web"]["mean"]["psnr_y"] > scores["srresnet"]["mean"]["psnr_y"] - 0.7  # of clean photos
