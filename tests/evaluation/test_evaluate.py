"""Tests of the closing evaluation: means, bicubic beside the generators, the table and the picture."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from srgan.evaluation.evaluate import evaluate
from srgan.evaluation.metrics import score_card
from srgan.evaluation.table import score_table
from srgan.inference import upscale as super_resolve
from srgan.networks import Generator
from srgan.pictures.resize import downscale, upscale
from srgan.pictures.rgb import to_float, to_uint8


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
        assert scores["bicubic"][name] == score_card(upscale(lr, 4).clamp(0, 1), hr, scale=4)
        assert scores["gan"][name] == score_card(super_resolve(generator, lr), hr, scale=4)
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
    result = evaluate({"gan": generator}, [batch])
    assert result.scores["bicubic"]["x"] == score_card(upscale(batch["lr"], 2).clamp(0, 1), batch["hr"], scale=2)
    assert result.convention["psnr_y"]["crop_border"] == 2


def test_scores_are_plain_numbers(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    scores = evaluate({"gan": generator}, batches).scores
    assert json.loads(json.dumps(scores)) == scores


def test_table_has_a_line_per_picture_and_a_mean(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    result = evaluate({"gan": generator}, batches)
    convention, header, *lines = score_table(result.scores, result.convention).split("\n\n")[0].splitlines()
    assert "Y of BT.601" in convention
    assert "borders of 4 pixels" in convention
    assert header.split() == ["picture", "bicubic", "gan"]
    assert [line.split()[0] for line in lines] == ["one.png", "a/much/longer/name.png", "3", "mean"]
    assert {len(line) for line in [header, *lines]} == {len(header)}  # columns line up
    mean = result.scores["gan"]["mean"]
    assert lines[-1].split()[-2:] == [f"{mean['psnr_y']:.2f}", f"{mean['ssim_y']:.4f}"]


def test_card_has_a_line_per_convention_with_who_publishes_in_it(
    generator: Generator, batches: list[Mapping[str, Any]]
) -> None:
    result = evaluate({"last": generator}, batches)
    header, *lines = score_table(result.scores, result.convention).split("\n\n")[1].splitlines()
    assert header.split() == ["mean", "of", "3", "bicubic", "last", "published", "so", "by"]
    expected = {"Y, crop 4": "y", "RGB, crop 4": "rgb", "Y, crop 0": "y_border0", "RGB, crop 0": "rgb_border0"}
    means = [result.scores[method]["mean"] for method in ("bicubic", "last")]
    for line, (label, suffix) in zip(lines, expected.items(), strict=True):
        assert line.startswith(label)
        cells = [f"{mean[f'psnr_{suffix}']:.2f} {mean[f'ssim_{suffix}']:.4f}" for mean in means]
        assert line.removeprefix(label).split()[:4] == " ".join(cells).split()
    assert "SRGAN paper" in lines[0]
    assert "BasicSR" in lines[1]


def test_card_of_three_methods_fits_120_columns(generator: Generator) -> None:
    distances = {"lpips": _Difference(), "feature_distance": _Difference()}
    result = evaluate({"best": generator, "last": generator}, [_batch("photo.png", seed=0)], distances=distances)
    features = "mean squared difference of vgg19 vgg22, vgg43, vgg54 features, weights: /home/someone/weights/vgg19.pth"
    table = score_table(result.scores, {**result.convention, "feature_distance": features})
    assert max(map(len, table.splitlines())) <= 120


class _Difference:
    """A distance that counts how many originals it was prepared for."""

    def __init__(self) -> None:
        self.num_prepared = 0

    def prepare(self, hr: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        self.num_prepared += 1
        return lambda sr: (sr - hr).abs().mean()


def test_distances_work_on_the_original_once_and_end_the_card(
    generator: Generator, batches: list[Mapping[str, Any]]
) -> None:
    features = _Difference()
    generators = {"one": generator, "gan": generator}
    result = evaluate(generators, batches, distances={"feature_distance": features, "lpips": _Difference()})
    assert features.num_prepared == len(batches)
    expected = float((super_resolve(generator, batches[0]["lr"]) - batches[0]["hr"]).abs().mean())
    assert result.scores["gan"]["one.png"]["feature_distance"] == pytest.approx(expected)
    *_, lpips, last = score_table(result.scores, result.convention).split("\n\n")[1].splitlines()
    assert lpips.split()[0] == "LPIPS"
    assert last.split()[0] == "features"
    assert last.split()[3] == f"{result.scores['gan']['mean']['feature_distance']:.5f}"


def test_what_is_left_out_says_why(generator: Generator, batches: list[Mapping[str, Any]]) -> None:
    result = evaluate({"gan": generator}, batches)
    convention = {**result.convention, "lpips": "left out: no weights", "feature_distance": None}
    notes = score_table(result.scores, convention).split("\n\n")[2].splitlines()
    assert notes[-1] == "LPIPS: left out: no weights."


def test_lr_pictures_by_another_kernel_are_found_out(generator: Generator) -> None:
    # Of little contrast, as photos are from one pixel to the next: the kernels then differ by half a level or so.
    hr = 0.4 + 0.2 * upscale(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)), 2).clamp(0, 1)
    as_file = {"lr": to_float(to_uint8(downscale(hr, 4))), "hr": hr, "name": ["matlab"]}
    pixels = hr[0].permute(1, 2, 0).mul(255).round().numpy().astype(np.uint8)
    shrunk = np.array(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BICUBIC))  # nearest to MATLAB's
    other = {"lr": torch.from_numpy(shrunk).permute(2, 0, 1)[None] / 255, "hr": hr, "name": ["pillow"]}
    assert evaluate({"gan": generator}, [as_file]).convention["lr"].startswith("MATLAB-convention bicubic")
    result = evaluate({"gan": generator}, [as_file, other])
    assert "1 of 2 pictures are NOT by MATLAB-convention bicubic" in score_table(result.scores, result.convention)


def test_sheet_shows_all_methods_and_the_original(generator: Generator) -> None:
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
