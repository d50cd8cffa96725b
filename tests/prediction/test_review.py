"""Tests of what a run shows of itself: the page, and the scores against originals."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from predict import predict
from srgan.inference.trust import trust_map, undrawn
from srgan.networks import Generator
from srgan.weights import save_generator


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


def run(folder: Path, weights: Path, **settings: object) -> str:
    source, output = folder / "lr", folder / "out"
    return str(predict(source=source, output=output, ckpt=str(weights), precision="fp32", **settings))  # type: ignore[arg-type]


def test_page_and_scores_are_of_all_that_is_finished(folder: Path, weights: Path) -> None:
    run(folder, weights, trust_map=True)
    summary = run(folder, weights, trust_map=True, report=True, reference=str(folder / "hr"))
    assert summary == "2 done before"
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="picture">') == 2
    scores = json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores["tiny"]) == {"sub/b.png", "mean"}
    assert scores["tiny"]["sub/b.png"]["psnr_y"] > 10


def test_an_original_of_another_size_is_a_failure_and_the_rest_goes_on(folder: Path, weights: Path) -> None:
    Image.new("RGB", (70, 64)).save(folder / "hr" / "a.png")
    summary = run(folder, weights, reference=str(folder / "hr"))
    assert "2 enlarged" in summary
    assert "a.png" in summary
    assert "80x64" in summary
    assert json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]["tiny"].keys() == {
        "sub/b.png",
        "mean",
    }
    assert not (folder / "out" / "index.html").exists()


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
