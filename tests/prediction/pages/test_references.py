"""Tests of scoring results against originals: the right file, the right size, and numbers as the metrics give them."""

import json
from pathlib import Path, PurePath

import pytest
import torch

from srgan.evaluation import lpips
from srgan.evaluation.metrics import score_card
from srgan.pictures.resize import downscale, upscale
from srgan.pictures.rgb import read_image, write_image
from srgan.prediction.pages.references import References


@pytest.fixture(autouse=True)
def no_lpips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "no cache"))


def original(folder: Path, name: str, height: int = 32, width: int = 40, *, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    write_image(folder / name, torch.rand(1, 3, height, width))
    return read_image(folder / name)


def references(folder: Path) -> References:
    return References(folder, scale=4, max_pixels=10**6, device=torch.device("cpu"))


def test_originals_are_found_by_path_whatever_the_extension(tmp_path: Path) -> None:
    inner, outer = original(tmp_path, "a/0801.png", seed=1), original(tmp_path, "0801.png", seed=2)
    found = references(tmp_path)
    for name, expected in (("a/0801.jpg", inner), ("a/0801x4.png", inner), ("0801.webp", outer)):
        hr = found.read(PurePath(name), size=(32, 40))
        assert hr is not None
        assert torch.equal(hr.whole(), expected)
    assert found.read(PurePath("b/0801.png"), size=(32, 40)) is None


def test_an_original_is_cropped_to_a_multiple_of_the_scale(tmp_path: Path) -> None:
    hr = original(tmp_path, "a.png", 35, 41)
    cropped = references(tmp_path).read(PurePath("a.png"), size=(32, 40))
    assert cropped is not None
    assert torch.equal(cropped.whole(), hr[..., :32, :40])


@pytest.mark.parametrize("size", [(36, 40), (32, 36), (8, 10)])
def test_an_original_of_another_size_is_named(tmp_path: Path, size: tuple[int, int]) -> None:
    original(tmp_path, "a.png")
    with pytest.raises(ValueError, match=rf"a\.png to be .* {size[1]}x{size[0]} pixels or less than 4 more, got 40x32"):
        references(tmp_path).read(PurePath("a.png"), size=size)


def test_two_originals_of_one_name_are_named(tmp_path: Path) -> None:
    original(tmp_path, "a.png")
    original(tmp_path, "a.webp")
    with pytest.raises(ValueError, match=r"a\.png and .*a\.webp differ in their ending alone"):
        references(tmp_path)


def test_the_file_holds_scores_means_and_what_they_are(tmp_path: Path) -> None:
    names, psnr = ["a.png", "b/c.png"], []
    for seed, name in enumerate(names):
        original(tmp_path / "hr", name, seed=seed)
    found = references(tmp_path / "hr")
    for name in names:
        read = found.read(PurePath(name), size=(32, 40))
        assert read is not None
        hr = read.whole()
        lr = downscale(hr, 4).clamp(0, 1)
        bicubic, sr = upscale(lr, 4).clamp(0, 1), (hr * 0.9).clamp(0, 1)
        results, bicubic_scores = found.score(PurePath(name), lr=lr, bicubic=bicubic, results={"mine": sr}, hr=hr)
        scores = results["mine"]
        assert scores == score_card(sr, hr, scale=4)
        assert bicubic_scores == score_card(bicubic, hr, scale=4)
        psnr.append(scores["psnr_y"])
    table = found.write(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(record["scores"]) == ["bicubic", "mine"]
    assert list(record["scores"]["mine"]) == [*names, "mean"]
    assert record["scores"]["mine"]["mean"]["psnr_y"] == pytest.approx(sum(psnr) / 2)
    assert record["convention"]["psnr_y"]["crop_border"] == 4
    assert record["convention"]["lr"].startswith("MATLAB")
    assert record["convention"]["lpips"].startswith("left out: ")
    assert f"{sum(psnr) / 2:.2f}" in table


def test_equal_pictures_are_null_in_the_file(tmp_path: Path) -> None:
    hr = original(tmp_path, "a.png")
    lr = downscale(hr, 4).clamp(0, 1)
    found = references(tmp_path)
    found.score(PurePath("a.png"), lr=lr, bicubic=upscale(lr, 4).clamp(0, 1), results={"mine": hr}, hr=hr)
    found.write(tmp_path)
    record = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert record["scores"]["mine"]["a.png"]["psnr_y"] is None


def test_a_picture_that_is_too_small_is_not_counted(tmp_path: Path) -> None:
    hr = original(tmp_path, "a.png", 8, 8)
    found = references(tmp_path)
    with pytest.raises(ValueError, match="at least 19 pixels"):
        found.score(PurePath("a.png"), lr=downscale(hr, 4), bicubic=hr, results={"mine": hr}, hr=hr)
    with pytest.raises(ValueError, match=r"None of the pictures has an original in .*a/b\.png"):
        found.write(tmp_path)


def test_lpips_is_measured_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        stamp = lpips.Lpips.stamp

        def __init__(self, device: torch.device) -> None: ...

        def prepare(self, hr: torch.Tensor) -> "Fixed":
            return self

        def __call__(self, sr: torch.Tensor) -> torch.Tensor:
            return torch.tensor(0.25)

    monkeypatch.setattr("srgan.prediction.pages.references.Lpips", Fixed)
    hr = original(tmp_path, "a.png")
    images = {"lr": downscale(hr, 4), "bicubic": hr, "hr": hr}
    scores, _ = references(tmp_path).score(PurePath("a.png"), results={"mine": hr}, **images)
    assert scores["mine"]["lpips"] == 0.25


def test_weights_named_bicubic_are_scored_beside_bicubic_itself(tmp_path: Path) -> None:
    hr = original(tmp_path / "hr", "a.png")
    named = References(tmp_path / "hr", scale=4, max_pixels=10**6, device=torch.device("cpu"))
    lr = downscale(hr, 4)
    bicubic = upscale(lr, 4).clamp(0, 1)
    scores, of_bicubic = named.score(PurePath("a.png"), lr=lr, bicubic=bicubic, results={"bicubic": hr}, hr=hr)
    assert scores["bicubic"]["psnr_rgb"] > of_bicubic["psnr_rgb"] + 10
    assert "bicubic (weights)" in named.write(tmp_path)
