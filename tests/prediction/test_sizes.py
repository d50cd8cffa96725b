"""Tests of the size of results: what can be asked for, and that it is the network's work, shrunk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from srgan import Upscaler
from srgan.networks import Generator
from srgan.prediction import Summary
from srgan.prediction.pages.review import predict_and_review
from srgan.prediction.predict import Prediction
from srgan.prediction.sizes import Size
from srgan.weights import save_generator
from tests.pictures.test_shrink import resized_in_float64


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained generator in a file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    return path


def run(weights: Path, source: Path, size: str | None, **settings: Any) -> Summary:
    output = source.parent / "out"
    given = {"ckpt": str(weights), "source": source, "output": output, "device": "cpu", "size": size, **settings}
    return predict_and_review(**given) if {"report", "reference"} & settings.keys() else Prediction(**given).run()


def save_noise(path: Path, height: int, width: int, *, deep: bool = False) -> Path:
    values = np.random.default_rng(0).integers(
        0, 65536 if deep else 256, (height, width) if deep else (height, width, 3)
    )
    Image.fromarray(values.astype(np.uint16 if deep else np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", (60, 100)),
        ("2.5x", (75, 125)),
        ("101", (61, 101)),
        ("width:75", (45, 75)),
        ("height:75", (75, 125)),
        ("short:75", (75, 125)),
        ("fit:100x100", (60, 100)),
        ("fit:400x45", (45, 75)),
        ("1", (1, 1)),
    ],
)
def test_sides_keep_the_proportion_of_the_picture(text: str, expected: tuple[int, int]) -> None:
    assert Size(text).of((30, 50)) == expected


@pytest.mark.parametrize("text", ["", "x", "0x", "0", "-3", "fit:100", "wide:7", "3000px", "width:", "1e3", "nan"])
def test_another_size_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"a factor \(2x\).*fit:3840x2160, got"):
        Size(text)


@pytest.mark.parametrize(("text", "number"), [("1x", 0), ("0.5x", 0), ("1.01x", 1), ("4x", 1), ("4.1x", 2), ("16x", 2)])
def test_the_network_is_used_as_often_as_needed(text: str, number: int) -> None:
    assert Size(text).passes((100, 100), 4) == number


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("size", ["2x", "width:101", "short:77", "133"])
def test_result_is_that_of_the_network_shrunk(weights: Path, tmp_path: Path, size: str, deep: bool) -> None:
    source = save_noise(tmp_path / "a.png", 31, 43, deep=deep)
    assert run(weights, source, size, precision="fp32").complete
    with Image.open(source) as image:
        lr = np.asarray(image).astype(np.float32) / (65535 if deep else 255)
    rgb = torch.from_numpy(lr if lr.ndim == 3 else np.repeat(lr[..., None], 3, axis=2)).permute(2, 0, 1)[None]
    sr = rgb
    for _ in range(Size(size).passes((31, 43), 4)):
        sr = Upscaler(weights, device="cpu", precision="fp32").enlarge(sr)
        sr = sr.mean(1, keepdim=True).expand(-1, 3, -1, -1) if deep else sr
    wanted = Size(size).of((31, 43))
    expected = resized_in_float64(sr.double().numpy(), wanted)[0].clip(0, 1) * (65535 if deep else 255)
    with Image.open(tmp_path / "out" / "a.png") as image:
        found = np.asarray(image).astype(np.float64)
    assert found.shape[:2] == wanted
    found = found[None] if deep else found.transpose(2, 0, 1)
    assert np.abs(found - np.rint(expected[: len(found)])).max() <= 1


def test_twice_when_once_is_too_small(weights: Path, tmp_path: Path) -> None:
    assert run(weights, save_noise(tmp_path / "a.png", 9, 7), "12x").complete
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.size == (84, 108)


def test_more_than_twice_is_said_of_the_picture(weights: Path, tmp_path: Path) -> None:
    summary = run(weights, save_noise(tmp_path / "a.png", 9, 7), "500")
    (failure,) = summary.failures.values()
    assert "389x500 pixels of 7x9" in failure
    assert "at most 16 times" in failure


def test_a_picture_as_large_already_is_resized_and_told_of(weights: Path, tmp_path: Path) -> None:
    source = save_noise(tmp_path / "a.png", 31, 43)
    with pytest.warns(UserWarning, match=r"a.png has 43x31 pixels, so size=20 takes no network.*20x14"):
        assert run(weights, source, "20").complete
    with Image.open(source) as image, Image.open(tmp_path / "out" / "a.png") as out:
        expected = resized_in_float64(np.asarray(image).astype(np.float64).transpose(2, 0, 1), (14, 20)).clip(0, 255)
        assert np.abs(np.asarray(out).transpose(2, 0, 1) - expected).max() < 0.51


def test_another_size_is_made_again_and_the_same_is_not(weights: Path, tmp_path: Path) -> None:
    source = save_noise(tmp_path / "a.png", 9, 7)
    for size, written in ((None, 1), ("2x", 1), ("2x", 0), ("3x", 1), (None, 1), (None, 0)):
        assert len(run(weights, source, size).written) == written


def test_a_trust_map_is_of_what_the_network_gave(weights: Path, tmp_path: Path) -> None:
    source = save_noise(tmp_path / "a.png", 9, 7)
    assert run(weights, source, "2x", trust_map=True, report=True).complete
    with Image.open(tmp_path / "out" / "a.png.trust.png") as image:
        assert image.height == 9 * 4 + 92
    with pytest.warns(UserWarning, match="takes no network"):
        summary = run(weights, source, "1x", trust_map=True)
    (failure,) = summary.failures.values()
    assert "no trust map of a picture that is as large" in failure


def test_scores_are_of_the_networks_own_size(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reference without size"):
        run(weights, save_noise(tmp_path / "a.png", 9, 7), "2x", reference=str(tmp_path))
