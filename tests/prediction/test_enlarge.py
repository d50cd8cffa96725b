"""Tests of one file's way: how short it is, and what its result cannot hold is told, with the file's name."""

import inspect
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

import srgan
from srgan import Upscaler
from srgan.networks import Generator
from srgan.prediction import plan_jobs
from srgan.prediction.enlarger import ColoursLostWarning, Enlarger
from srgan.prediction.predict import Prediction
from srgan.weights import save_generator
from tests.pictures.chunks import write_png

PQ = (b"cICP", bytes([9, 16, 0, 1]))


@pytest.mark.parametrize(("format", "told"), [("jpg", True), ("tiff", True), ("png", False)])
def test_colours_that_a_result_cannot_state_are_told(tmp_path: Path, format: str, told: bool) -> None:
    torch.manual_seed(0)
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4, norm="none"))
    upscaler = Upscaler(tmp_path / "tiny.safetensors", device="cpu", precision="fp32")
    enlarger = Enlarger(upscaler, format=format, quality=95, max_pixels=100, scratch=tmp_path)
    write_png(tmp_path / "hdr.png", (5, 6, 8, 2), [bytes(15)] * 6, before=[PQ])
    (job,) = plan_jobs(tmp_path / "hdr.png", tmp_path / "out", format=format)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        enlarger(job)
    messages = [str(each.message) for each in caught if each.category is ColoursLostWarning]
    assert [str(tmp_path / "hdr.png") in message for message in messages] == [True] * told


def test_a_picture_reaches_the_network_by_a_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/architecture.md draws it: these are numbers 2 to 8, behind the command that composes the settings."""
    way: list[str] = []

    def forward(network: Generator, lr: Tensor) -> Tensor:
        frames = [each for each in inspect.stack() if Path(each.filename).is_relative_to(Path(srgan.__file__).parent)]
        way[:] = [each.function for each in reversed(frames)]
        return lr.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)

    monkeypatch.setattr(Generator, "forward", forward)
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4, norm="none"))
    write_png(tmp_path / "a.png", (5, 6, 8, 2), [bytes(15)] * 6)
    weights = str(tmp_path / "tiny.safetensors")
    Prediction(source=tmp_path / "a.png", output=tmp_path / "out", ckpt=weights, device="cpu", precision="fp32").run()
    assert way == ["run", "run_jobs", "__call__", "_enlarge", "upscale_picture", "enlarge", "upscale"]
