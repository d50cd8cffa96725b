"""Tests of the closing evaluation: means, bicubic beside the generators, the table and the picture."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from srgan.evaluation import evaluate, score_table
from srgan.inference import upscale as super_resolve
from srgan.metrics import score
from srgan.networks import Generator
from srgan.resize import downscale, upscale


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()


def _batch(name: str, *, seed: int, size: tuple[int, int] = (32, 40), scale: int = 4) -> dict[str, Any]:
    hr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    return {"lr": downscale(hr, scale).clamp(0, 1), "hr": hr, "name": [name]}


@pytest.fixture(scope="module")
def batches() -> list[dict[str, Any]]:
    return [_batch("one.png", seed=1), _batch("a/much/longer/name.png", seed=2, size=(64, 48)), _batch("3", seed=3)]


def test_every_method_is_scored_on_every_picture(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    scores = evaluate({"gan": generator, "pretrained": generator}, batches).scores
    assert list(scores) == ["bicubic", "gan", "pretrained"]
    for batch in batches:
        lr, hr, name = batch["lr"], batch["hr"], batch["name"][0]
        assert scores["bicubic"][name] == score(upscale(lr, 4).clamp(0, 1), hr, crop_border=4)
        assert scores["gan"][name] == score(super_resolve(generator, lr), hr, crop_border=4)
        assert scores["gan"][name] != scores["bicubic"][name]
    assert scores["gan"] == scores["pretrained"]


def test_mean_is_the_mean_over_pictures(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    scores = evaluate({"gan": generator}, batches).scores
    for by_picture in scores.values():
        pictures = [cells for name, cells in by_picture.items() if name != "mean"]
        assert len(pictures) == 3
        for metric in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
            assert by_picture["mean"][metric] == pytest.approx(sum(cells[metric] for cells in pictures) / 3)


def test_border_and_bicubic_follow_the_data_s_scale() -> None:
    batch = _batch("x", seed=0, scale=2)
    generator = Generator(scale=2, num_blocks=1, channels=4).eval()
    scores = evaluate({"gan": generator}, [batch]).scores
    assert scores["bicubic"]["x"] == score(upscale(batch["lr"], 2).clamp(0, 1), batch["hr"], crop_border=2)


def test_scores_are_plain_numbers(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    scores = evaluate({"gan": generator}, batches).scores
    assert json.loads(json.dumps(scores)) == scores


def test_table_has_a_line_per_picture_and_a_mean(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    scores = evaluate({"gan": generator}, batches).scores
    convention, header, *lines = score_table(scores).splitlines()
    assert "Y of BT.601" in convention
    assert header.split() == ["picture", "bicubic", "gan"]
    assert [line.split()[0] for line in lines] == ["one.png", "a/much/longer/name.png", "3", "mean", "on"]
    assert {len(line) for line in [header, *lines]} == {len(header)}  # columns line up
    mean = scores["gan"]["mean"]
    assert lines[-2].split()[-2:] == [f"{mean['psnr_y']:.2f}", f"{mean['ssim_y']:.4f}"]
    assert lines[-1].split()[-2:] == [f"{mean['psnr_rgb']:.2f}", f"{mean['ssim_rgb']:.4f}"]


def test_table_ends_with_the_distance_in_features_where_it_was_measured(
    generator: Generator, batches: list[Mapping[str, Any]]
) -> None:
    scores = evaluate({"gan": generator}, batches, distance=lambda sr, hr: (sr - hr).abs().mean()).scores
    *_, last = score_table(scores).splitlines()
    assert last.split()[0] == "features"
    assert last.split()[-1] == f"{scores['gan']['mean']['feature_distance']:.5f}"


def test_sheet_shows_every_method_and_the_original_of_the_first_pictures(generator: Generator) -> None:
    batches = [_batch(str(number), seed=number) for number in range(6)]
    sheet = evaluate({"gan": generator}, batches).comparison
    assert sheet.shape == (1, 3, 4 * (2 * 32 + 26) + 3 * 6, 3 * 2 * 40 + 2 * 6)
    original = batches[0]["hr"].repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(sheet[..., :64, -80:], original, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_large_picture_is_shown_by_its_most_detailed_window(generator: Generator) -> None:
    hr = torch.full((1, 3, 320, 400), 0.5)
    hr[..., 100:260, 200:360] = torch.rand(160, 160)
    sheet = evaluate({"gan": generator}, [{"lr": downscale(hr, 4), "hr": hr, "name": ["x"]}]).comparison
    shown = sheet[..., :320:2, -320::2]
    torch.testing.assert_close(shown, hr[..., 100:260, 200:360], atol=0.5 / 255 + 1e-6, rtol=0)


def test_nothing_to_score_raises(generator: Generator) -> None:
    with pytest.raises(ValueError, match="Expected at least one picture to score"):
        evaluate({"gan": generator}, [])
