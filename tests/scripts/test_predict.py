"""Tests of predict.py: pictures in, pictures out, nothing overwritten, one message for a mistake."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import predict
from srgan.images import read_image
from srgan.networks import Generator
from srgan.weights import WeightsError, save_generator

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A tiny untrained generator in a file."""
    torch.manual_seed(0)
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    return tmp_path / "tiny.safetensors"


def run(weights: Path, source: Path, output: Path, *, tile_size: int | None = 32) -> None:
    predict.predict(ckpt=weights, source=source, output=output, tile_size=tile_size, device="cpu")


def test_a_folder_is_mirrored_four_times_as_large(weights: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    Image.new("RGB", (40, 30), "teal").save(source / "a.jpg")
    Image.new("L", (7, 50), 80).save(source / "sub" / "grün.png")
    run(weights, source, tmp_path / "out")
    assert read_image(tmp_path / "out" / "a.png").shape == (1, 3, 120, 160)
    assert read_image(tmp_path / "out" / "sub" / "grün.png").shape == (1, 3, 200, 28)


def test_tiles_leave_no_seam(weights: Path, photos: Path, tmp_path: Path) -> None:
    picture = photos / "photo_1.png"
    run(weights, picture, tmp_path / "tiled", tile_size=16)
    run(weights, picture, tmp_path / "whole", tile_size=None)
    tiled, whole = (read_image(tmp_path / name / "photo_1.png") for name in ("tiled", "whole"))
    assert (tiled - whole).abs().max() <= 1 / 255 + 1e-6  # a rounding to 8 bit may fall to the other side


def test_an_input_is_never_overwritten(weights: Path, tmp_path: Path) -> None:
    picture = tmp_path / "in" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", (8, 8), "teal").save(picture)
    before = picture.read_bytes()
    with pytest.raises(ValueError, match=r"a\.png would be overwritten"):
        run(weights, picture.parent, picture.parent)
    assert picture.read_bytes() == before


def test_two_inputs_of_one_stem_are_refused_before_any_work(weights: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (8, 8)).save(source / name)
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png would both be written"):
        run(weights, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreadable_picture_is_named_and_the_others_are_done(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "zebra.png")
    (failure,) = predict.predict(ckpt=weights, source=tmp_path, output=tmp_path / "out", tile_size=None, device="cpu")
    assert "note.png: its content is no picture" in failure
    assert (tmp_path / "out" / "zebra.png").is_file()


def test_something_else_as_weights_is_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "weights.ckpt").write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"weights\.ckpt is no checkpoint of this project"):
        run(tmp_path / "weights.ckpt", photos, tmp_path / "out")


def test_starts_without_lightning_and_wandb() -> None:
    code = "import sys, predict; import srgan.images, srgan.inference, srgan.weights; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "torch" in loaded
    assert not loaded & {"lightning", "wandb", "torchvision", "kornia", "torchmetrics"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected a value for input"),
        (["ckpt=nowhere.ckpt", "input=x"], "does not exist"),
    ],
)
def test_a_users_mistake_ends_in_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    line = [sys.executable, str(PROJECT / "predict.py"), *arguments]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
