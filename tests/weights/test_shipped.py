"""Tests of the weights that come with the package: their scores on the sample's validation photos, to the digit."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from srgan.data import SuperResolutionDataModule
from srgan.evaluation.evaluate import evaluate
from srgan.weights import SHIPPED, load_generator, resolve

# PSNR in dB and SSIM on Y, mean of the four photos; what the model card says.
GOLDEN = {"srresnet": (29.84, 0.8411), "srgan": (29.67, 0.8404)}
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
