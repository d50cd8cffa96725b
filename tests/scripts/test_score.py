"""Tests of train.py test_only=true: the scores of given weights, without training."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from srgan.commands import train
from srgan.evaluation.metrics import score_card
from srgan.evaluation.score_file import read_scores
from srgan.inference import upscale
from srgan.networks import Generator
from srgan.pictures.rgb import read_image
from srgan.weights import load_generator, save_generator
from tests.conftest import textured_photo
from tests.weights.community_files import write_compact, write_rrdb

Compose = Callable[..., DictConfig]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A generator that is close to bicubic."""
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_generator(path, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval())
    return path


def test_weights_are_scored_on_the_validation_photos(
    compose_train: Compose, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = train.train(compose_train("test_only=true", f"ckpt_path={weights}"))
    table = capsys.readouterr().out
    assert outcome is not None
    assert f"{outcome[0]:.2f}" in next(line for line in table.splitlines() if line.startswith("mean"))
    assert "bicubic" in table
    assert "mine" in table
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"scores.json", "samples"}
    assert "SRGAN paper" in next(line for line in table.splitlines() if line.startswith("Y, crop 4"))
    written = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert written["convention"]["lr"].startswith("MATLAB-convention bicubic")
    assert set(written["scores"]["mine"]["mean"]) <= set(written["convention"])  # each score is stamped


def test_scores_do_without_a_content_loss_whose_weights_cannot_be_had(
    compose_train: Compose, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", Mock(side_effect=URLError("no network")))
    overrides = ("test_only=true", f"ckpt_path={weights}", "loss.content.weights=imagenet")
    with pytest.warns(UserWarning, match="The distance in features is left out: vgg19's .*no network"):
        train.train(compose_train(*overrides))
    written = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert "psnr_y" in written["scores"]["mine"]["mean"]
    assert "feature_distance" not in written["scores"]["mine"]["mean"]


def test_several_weights_are_set_side_by_side(
    compose_train: Compose, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = weights.with_name("other.safetensors")
    other.write_bytes(weights.read_bytes())
    train.train(compose_train("test_only=true", f"ckpt_path=[{weights},{other}]"))
    header = capsys.readouterr().out.split("cropped off\n")[1].splitlines()[0]
    assert header.split() == ["picture", "bicubic", "mine", "other"]


def test_weights_are_scored_on_a_benchmark_with_its_own_lr(
    compose_train: Compose, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("HR/a.png", (130, 99)), ("LR_bicubic/X4/ax4.png", (32, 24))):
        (tmp_path / "benchmark" / "Set5" / name).parent.mkdir(parents=True)
        Image.new("RGB", size, (200, 0, 0)).save(tmp_path / "benchmark" / "Set5" / name)
    overrides = ("test_only=true", f"ckpt_path={weights}", "benchmark=set5", f"download_dir={tmp_path}")
    train.train(compose_train(*overrides))
    table = capsys.readouterr().out
    assert "a.png" in table
    assert "photo_" not in table


def test_networks_of_other_projects_are_scored_on_a_benchmark(
    compose_train: Compose, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hr, lr = (tmp_path / "benchmark" / "Set5" / name for name in ("HR", "LR_bicubic/X4"))
    for folder, name, size in ((hr, "a.png", (64, 80)), (lr, "ax4.png", (16, 20))):
        folder.mkdir(parents=True)
        textured_photo(80, 64, seed=0).resize(size).save(folder / name)
    write_rrdb(tmp_path / "sharp.pth")
    write_compact(tmp_path / "fast.pth")
    given = f"ckpt_path=[{weights},{tmp_path / 'sharp.pth'},{tmp_path / 'fast.pth'}]"
    train.train(compose_train("test_only=true", given, "benchmark=set5", f"download_dir={tmp_path}"))
    header = capsys.readouterr().out.split("cropped off\n")[1].splitlines()[0]
    assert header.split() == ["picture", "bicubic", "mine", "sharp", "fast"]
    scores = read_scores(tmp_path / "run")["scores"]
    for name in ("sharp", "fast"):
        sr = upscale(load_generator(tmp_path / f"{name}.pth"), read_image(lr / "ax4.png"))
        expected = score_card(sr.mul(255).round() / 255, read_image(hr / "a.png"), scale=4)
        assert scores[name]["a.png"]["psnr_y"] == pytest.approx(expected["psnr_y"], abs=1e-3)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_network_of_another_project_and_scale_says_so(scale: int, compose_train: Compose, tmp_path: Path) -> None:
    file = write_compact(tmp_path / "net.pth", scale=scale)
    message = "enlarges 2 times: set scale=2" if scale == 2 else "restores pictures and leaves their size"
    with pytest.raises(ValueError, match=f"net {message}"):
        train.train(compose_train("test_only=true", f"ckpt_path={file}"))


@pytest.mark.parametrize("data", ["folder", "paired", "div2k_official_lr", "df2k"])
def test_a_folder_is_scored_without_photos_to_train_on(
    data: str, compose_train: Compose, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan.data.download.fetch", Mock(side_effect=AssertionError))
    (tmp_path / "test").mkdir()
    textured_photo(64, 64, seed=0).save(tmp_path / "test" / "a.png")
    overrides = (f"data={data}", f"data.test_root={tmp_path / 'test'}", f"download_dir={tmp_path / 'nothing'}")
    settings = ("test_only=true", f"ckpt_path={weights}", "loss=pixel", f"output_dir={tmp_path / 'run'}")
    train.train(compose_train(*settings, *overrides, tiny=False))
    assert set(read_scores(tmp_path / "run")["scores"]["mine"]) == {"a.png", "mean"}
    assert not (tmp_path / "nothing").exists()


def test_without_weights_there_is_nothing_to_score(compose_train: Compose) -> None:
    with pytest.raises(ValueError, match="Expected weights to test: test_only=true ckpt_path="):
        train.train(compose_train("test_only=true"))


def test_weights_of_another_scale_say_what_to_set(compose_train: Compose, weights: Path) -> None:
    with pytest.raises(ValueError, match="enlarges 4 times: set scale=4"):
        train.train(compose_train("test_only=true", f"ckpt_path={weights}", "scale=2"))


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist there alone")
def test_pictures_whose_names_are_not_utf8_are_scored(
    compose_train: Compose, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = os.fsdecode(b"\xff.png")
    (tmp_path / "test").mkdir()
    textured_photo(64, 64, seed=0).save(tmp_path / "test" / odd)
    console = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", console)
    train.train(compose_train("test_only=true", f"ckpt_path={weights}", f"data.test_root={tmp_path / 'test'}"))
    console.seek(0)
    assert "\\udcff.png" in console.read()
    assert odd in read_scores(tmp_path / "run")["scores"]["bicubic"]
