"""Tests of what a run shows of itself: the page, and the scores against originals."""

import base64
import errno
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from srgan.evaluation.metrics import score_card
from srgan.inference.trust import trust_map, undrawn
from srgan.networks import Generator
from srgan.pictures.resize import upscale
from srgan.pictures.rgb import read_image, to_uint8
from srgan.prediction import Summary
from srgan.prediction.pages.review import bicubic_rows, predict_and_review
from srgan.weights import save_generator
from tests.profiles import exchanging_profile


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A tiny network on disk."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_generator(path, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic"))
    return path


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """Two LR pictures, of which one has an original under ``hr``."""
    (tmp_path / "lr" / "sub").mkdir(parents=True)
    (tmp_path / "hr" / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "sub/b.png")):
        with Image.open(photos / f"photo_{number}.png") as hr:
            hr.resize((20, 16), Image.Resampling.BICUBIC).save(tmp_path / "lr" / name)
            if number:
                hr.save(tmp_path / "hr" / name)
    return tmp_path


def run(folder: Path, weights: Path, **settings: object) -> Summary:
    source, output = folder / "lr", folder / "out"
    return predict_and_review(source=source, output=output, ckpt=str(weights), precision="fp32", **settings)  # type: ignore[arg-type]


def scored(folder: Path) -> dict[str, Any]:
    scores = json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]["tiny"]
    return {name: values for name, values in scores.items() if name != "mean"}


def shown(folder: Path) -> dict[str, dict[str, Any]]:
    """What the page has of each picture by its name."""
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r'class="picture">(.*?)</script>', page)]
    return {block["name"]: block for block in blocks}


def layer(block: dict[str, Any], name: str) -> NDArray[Any]:
    with Image.open(io.BytesIO(base64.b64decode(block["layers"][name].split(",")[1]))) as image:
        return np.array(image.convert("RGB")).astype(int)


def test_page_and_scores_are_of_all_that_is_finished(folder: Path, weights: Path) -> None:
    run(folder, weights, trust_map=True)
    summary = run(folder, weights, trust_map=True, report=True, reference=str(folder / "hr"))
    assert str(summary) == "2 done before"
    assert summary.complete
    assert list(shown(folder)) == ["a.png", "sub/b.png"]
    assert all(block["trust"] for block in shown(folder).values())
    assert list(scored(folder)) == ["sub/b.png"]
    assert scored(folder)["sub/b.png"]["psnr_y"] > 10


def test_what_is_shown_and_scored_is_what_the_files_hold(folder: Path, weights: Path) -> None:
    run(folder, weights, report=True, reference=str(folder / "hr"))
    block = shown(folder)["sub/b.png"]
    lr, sr, hr = (read_image(folder / name / "sub" / "b.png") for name in ("lr", "out", "hr"))
    bicubic = upscale(lr, 4).clamp(0, 1)
    for name, expected in (("sr", sr), ("reference", hr), ("bicubic", bicubic)):
        assert np.array_equal(layer(block, name), to_uint8(expected[0]).permute(1, 2, 0).numpy())
    assert scored(folder)["sub/b.png"] == pytest.approx(score_card(sr, hr, scale=4))


def test_some_rows_of_bicubic_are_those_of_the_whole() -> None:
    lr = torch.rand(1, 3, 12, 9, generator=torch.Generator().manual_seed(0))
    whole = to_uint8(upscale(lr, 4)[0]).permute(1, 2, 0).numpy()
    rows = bicubic_rows(lr, (4 * lr.shape[-2], 4 * lr.shape[-1]))
    for first, last in ((0, 48), (0, 5), (21, 23), (17, 30), (47, 48)):
        assert np.array_equal(rows(first, last), whole[first:last])


def broken(path: Path) -> None:
    path.write_bytes(b"no picture")


def of_another_size(path: Path) -> None:
    Image.new("RGB", (70, 64)).save(path)


@pytest.mark.parametrize(("spoil", "reason"), [(broken, "no picture"), (of_another_size, "80x64")])
@pytest.mark.parametrize("report", [True, False])
def test_a_bad_original_leaves_its_picture_unscored_but_shown(
    folder: Path, weights: Path, spoil: Callable[[Path], None], reason: str, report: bool
) -> None:
    spoil(folder / "hr" / "a.png")
    summary = run(folder, weights, report=report, reference=str(folder / "hr"))
    assert not summary.complete
    first, title, line = str(summary).splitlines()
    assert (first, title) == ("2 enlarged", "1 unscored:")
    assert str(folder / "hr" / "a.png") in line
    assert reason in line
    assert list(scored(folder)) == ["sub/b.png"]
    assert (folder / "out" / "index.html").exists() == report
    if report:
        assert "reference" not in shown(folder)["a.png"]["layers"]
        assert reason in shown(folder)["a.png"]["facts"]


def test_too_small_or_large_to_score_is_shown_with_its_original(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (3, 3), "teal").save(folder / "lr" / "a.png")
    Image.new("RGB", (12, 12), "teal").save(folder / "hr" / "a.png")
    Image.new("RGB", (30, 30), "teal").save(folder / "lr" / "large.png")
    Image.new("RGB", (120, 120), "teal").save(folder / "hr" / "large.png")
    monkeypatch.setattr("srgan.prediction.pages.looking.SCORED_PIXELS", 14399)
    summary = str(run(folder, weights, report=True, reference=str(folder / "hr")))
    assert re.search(r"2 unscored:\n  a\.png: .*at least 19 pixels.*\n  large\.png: 14400 ", summary)
    assert list(scored(folder)) == ["sub/b.png"]
    assert all("reference" in shown(folder)[name]["layers"] for name in ("a.png", "large.png"))
    assert "up to 14399 are scored" in shown(folder)["large.png"]["facts"]


def test_without_any_original_the_summary_is_told_and_then_why(folder: Path, weights: Path) -> None:
    (folder / "hr" / "sub" / "b.png").rename(folder / "hr" / "other.png")
    summary = run(folder, weights, report=True, reference=str(folder / "hr"))
    assert not summary.complete
    assert re.match(r"2 enlarged\nNone of the pictures has an original in ", str(summary))
    assert list(shown(folder)) == ["a.png", "sub/b.png"]


def test_kept_files_are_no_results(folder: Path, weights: Path) -> None:
    for name in ("a.png", "sub/b.png"):
        (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 64)).save(folder / "out" / name)
    assert run(folder, weights, report=True).complete
    assert shown(folder) == {}
    summary = run(folder, weights, report=True, reference=str(folder / "hr"))
    assert not summary.complete
    assert str(summary).startswith("2 kept\n")
    assert str(summary).endswith("There are no scores, since there is no result.")
    assert not (folder / "out" / "scores.json").exists()


def test_no_memory_for_one_picture_leaves_the_others_on_the_page(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (30, 30)).save(folder / "lr" / "large.png")
    monkeypatch.setattr("srgan.prediction.pages.looking.available_memory", lambda device: 14400 * 16 - 1)
    summary = run(folder, weights, report=True, reference=str(folder / "hr"))
    assert not summary.complete
    assert f"3 enlarged\n1 cannot be looked at:\n  {folder / 'lr' / 'large.png'}: " in str(summary)
    assert re.search(r"1 unscored:\n  sub/b\.png: this takes .* of memory", str(summary))  # scoring takes more
    assert list(shown(folder)) == ["a.png", "sub/b.png"]


def test_a_page_that_cannot_be_written_hides_nothing(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("srgan.prediction.pages.review.write_report", full)
    summary = run(folder, weights, report=True)
    assert not summary.complete
    assert re.fullmatch(r"2 enlarged\n.*No space left on device", str(summary))


def test_ctrl_c_while_looking_is_told_as_ever(folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srgan.prediction.pages.review.write_report", Mock(side_effect=KeyboardInterrupt))
    summary = run(folder, weights, report=True)
    assert summary.interrupted
    assert "2 enlarged" in str(summary)


def save_rgba(hr: Image.Image, path: Path) -> None:
    values = np.array(hr.convert("RGBA"))
    values[: len(values) // 2, :, 3] = 0
    Image.fromarray(values).save(path)


def save_deep(hr: Image.Image, path: Path) -> None:
    tifffile.imwrite(path, np.array(hr).astype(np.uint16) * 257, photometric="rgb")


def save_moving(hr: Image.Image, path: Path) -> None:
    hr.save(path, save_all=True, append_images=[Image.new("RGB", hr.size)], lossless=True)


def save_gray(hr: Image.Image, path: Path) -> None:
    hr.convert("L").save(path)


@pytest.mark.parametrize(
    ("save", "name", "format"),
    [
        (save_rgba, "a.png", "png"),
        (save_rgba, "a.webp", "webp"),
        (save_deep, "a.tif", "tiff"),
        (save_moving, "a.webp", "png"),
        (save_gray, "a.png", "jpg"),
    ],
)
def test_every_kind_of_picture_is_seen_as_a_browser_would(
    tmp_path: Path, photos: Path, weights: Path, save: Callable[[Image.Image, Path], None], name: str, format: str
) -> None:
    with Image.open(photos / "photo_0.png") as hr:
        for folder, picture in (("hr", hr), ("lr", hr.resize((20, 16), Image.Resampling.BICUBIC))):
            (tmp_path / folder).mkdir()
            save(picture, tmp_path / folder / name)
    settings = {"reference": str(tmp_path / "hr"), "report": True, "trust_map": True, "format": format}
    assert run(tmp_path, weights, **settings).complete
    block = shown(tmp_path)[name]
    original, sr, bicubic = (layer(block, each) for each in ("reference", "sr", "bicubic"))
    if save is save_rgba:
        assert (original[:32] == 255).all()
        assert (sr[:26] == 255).all()
        assert (bicubic[:24] == 255).all()
    assert np.abs(sr[40:] - bicubic[40:]).mean() < 30  # a random network beside the bicubic skip
    sides = [torch.from_numpy(each).permute(2, 0, 1)[None] / 255 for each in (sr, original)]
    assert scored(tmp_path)[name] == pytest.approx(score_card(*sides, scale=4), nan_ok=True)


def test_colours_of_a_wide_gamut_are_compared_in_srgb(folder: Path, weights: Path) -> None:
    with Image.open(folder / "lr" / "sub" / "b.png") as lr:
        lr.save(folder / "lr" / "sub" / "b.png", icc_profile=exchanging_profile())
    assert run(folder, weights, report=True, reference=str(folder / "hr")).complete
    sr = layer(shown(folder)["sub/b.png"], "sr")
    written = np.array(Image.open(folder / "out" / "sub" / "b.png")).astype(int)
    assert np.abs(sr - written[..., [1, 0, 2]]).max() <= 2
    hr = read_image(folder / "hr" / "sub" / "b.png")
    seen = torch.from_numpy(sr).permute(2, 0, 1)[None] / 255
    assert scored(folder)["sub/b.png"] == pytest.approx(score_card(seen, hr, scale=4))


def test_originals_may_be_as_large_as_results(folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert run(folder, weights, max_pixels=320, report=True, reference=str(folder / "hr")).complete
    assert list(scored(folder)) == ["sub/b.png"]
    Image.new("RGB", (80, 65)).save(folder / "hr" / "a.png")
    assert "at most 5120 pixels" in str(run(folder, weights, max_pixels=320, reference=str(folder / "hr")))


@pytest.mark.parametrize("name", ["index.html", "scores.json"])
def test_page_and_scores_of_others_are_kept(folder: Path, weights: Path, name: str) -> None:
    mine = folder / "out" / name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ValueError, match=re.escape(str(mine))):
        run(folder, weights, report=True, reference=str(folder / "hr"))
    assert mine.read_text() == "mine"
    run(folder, weights, report=True, reference=str(folder / "hr"), overwrite=True)
    run(folder, weights, report=True, reference=str(folder / "hr"))  # by now it is ours
    assert mine.read_text() != "mine"


def test_parts_are_not_reviewed_one_by_one(folder: Path, weights: Path) -> None:
    with pytest.raises(ValueError, match="report and reference without shard"):
        run(folder, weights, report=True, shard="0/2")


def test_a_drawn_map_gives_its_doubts_back_in_order() -> None:
    network = Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()
    lr = torch.full((1, 3, 6, 8), 0.5)
    sr = torch.full((1, 3, 24, 32), 0.5)
    sr[..., 16:] = 0.51  # the right half, shrunk, is 2.5 levels off
    shares = undrawn(trust_map(network, lr, sr), lr.shape[-2:])
    assert shares.shape == (1, 1, 24, 32)
    assert shares[..., 24:].min() > shares[..., :8].max() + 0.1
