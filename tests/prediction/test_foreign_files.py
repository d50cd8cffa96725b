"""Tests of what is shown and scored of pictures that networks of other projects enlarged."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from srgan.evaluation.metrics import score_card
from srgan.inference import TileSize, upscale
from srgan.networks.reach import Reach
from srgan.pictures.rgb import read_image
from srgan.prediction.pages.review import predict_and_review
from srgan.prediction.predict import Prediction
from srgan.weights import load_generator
from tests.conftest import textured_photo
from tests.weights.community_files import write_compact, write_rrdb


def enlarge_and_look(folder: Path, ckpt: Path, **settings: Any) -> None:
    """From ``lr`` to ``out``, with a page, trust maps, and scores against ``hr``."""
    summary = predict_and_review(
        source=folder / "lr",
        output=folder / "out",
        ckpt=str(ckpt),
        reference=str(folder / "hr"),
        report=True,
        trust_map=True,
        device="cpu",
        **settings,
    )
    assert summary.complete


@pytest.mark.parametrize("self_ensemble", [False, True])
@pytest.mark.parametrize("write", [write_rrdb, write_compact])
def test_page_and_scores_are_of_a_foreign_network(
    write: Callable[..., Path], self_ensemble: bool, tmp_path: Path
) -> None:
    ckpt = write(tmp_path / "4x.pth")
    for folder, size in (("hr", (240, 80)), ("lr", (60, 20))):
        (tmp_path / folder).mkdir()
        textured_photo(80, 240, seed=0).resize(size).save(tmp_path / folder / "a.png")
    enlarge_and_look(tmp_path, ckpt, self_ensemble=self_ensemble, tile_size=32)
    lr, sr, hr = (read_image(tmp_path / folder / "a.png") for folder in ("lr", "out", "hr"))
    whole = upscale(load_generator(ckpt), lr)
    assert self_ensemble or (sr - whole).abs().max() <= 1 / 255  # half a level of tiling, and half of rounding
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    (block,) = [json.loads(each) for each in re.findall(r'class="picture">(.*?)</script>', page)]
    assert block["trust"]
    assert {"sr", "reference", "bicubic"} <= set(block["layers"])
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert scores["4x"]["a.png"] == pytest.approx(score_card(sr, hr, scale=4))


@pytest.mark.parametrize("scale", [1, 2, 3, 8])
def test_page_and_scores_are_of_any_scale(scale: int, tmp_path: Path) -> None:
    ckpt = write_compact(tmp_path / "net.pth", scale=scale)
    for folder, factor in (("lr", 1), ("hr", scale)):
        (tmp_path / folder).mkdir()
        textured_photo(16, 24, seed=0).resize((24 * factor, 16 * factor)).save(tmp_path / folder / "a.png")
    enlarge_and_look(tmp_path, ckpt, consistency=scale > 1)
    with Image.open(tmp_path / "out" / "a.png") as large:
        assert large.size == (24 * scale, 16 * scale)
    assert 'class="picture"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert scores["net"]["a.png"]["psnr_y"] > 5


@pytest.mark.parametrize("size", ["2x", "0.5x"])
def test_a_network_of_scale_1_takes_no_size(size: str, tmp_path: Path) -> None:
    ckpt = write_compact(tmp_path / "restore.pth", scale=1)
    textured_photo(16, 24, seed=0).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"no size= with a network that restores .*got size={size}"):
        Prediction(source=tmp_path / "a.png", output=tmp_path / "out", ckpt=str(ckpt), device="cpu", size=size)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("everywhere", [False, True])
def test_tiles_that_show_are_done_again_in_one_piece(
    everywhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = 0.01 if everywhere else 0.0  # as measured of networks that look at the whole picture
    monkeypatch.setattr("srgan.weights.foreign_file.user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr("srgan.weights.foreign_file.measure_reach", lambda *_, **__: Reach(4, 1, leak))
    ckpt = write_compact(tmp_path / "net.pth")
    textured_photo(20, 40, seed=0).save(tmp_path / "a.png")

    def run(tile_size: TileSize) -> bool:
        """Whether there was something to do."""
        prediction = Prediction(
            source=tmp_path / "a.png", output=tmp_path / "out", ckpt=str(ckpt), device="cpu", tile_size=tile_size
        )
        return bool(prediction.run().written)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(16)
        assert not run(16)
        assert run("auto") == everywhere
        assert run(None)  # as the warning says to, where memory was short
        assert run(12) == everywhere
