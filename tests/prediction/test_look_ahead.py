"""Tests of batches across files: small pictures of one size share a pass through the network, and nothing else."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from srgan import Upscaler
from srgan.networks import Generator
from srgan.prediction import Job, Ledger, Summary, plan_jobs, run_jobs
from srgan.prediction.enlarger import Enlarger
from srgan.weights import save_generator


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic"))
    return path


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that the network is given, in turn."""
    shapes: list[tuple[int, ...]] = []
    forward = Generator.forward

    def remembering(self: Generator, lr: Tensor) -> Tensor:
        shapes.append(tuple(lr.shape))
        return forward(self, lr)

    monkeypatch.setattr(Generator, "forward", remembering)
    return shapes


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (12, 10), seed: int = 0) -> None:
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values.squeeze()).save(path)


def enlarge(
    weights: Path, folder: Path, output: str, *, batch_size: int, format: str = "png", **options: Any
) -> tuple[Summary, Enlarger]:
    upscaler = Upscaler(weights, device="cpu", precision="fp32", batch_size=batch_size, **options)
    enlarger = Enlarger(upscaler, format=format, quality=95, max_pixels=10**6, scratch=folder)
    jobs = plan_jobs(folder / "in", folder / output, format=format)
    ledger = Ledger(folder / output)
    return run_jobs(jobs, enlarger, ledger=ledger, made_with="s", look_ahead=enlarger.look_ahead), enlarger


def pixels(folder: Path) -> dict[str, Any]:
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in folder.glob("[!.]*.png")}


def test_equal_sizes_share_a_batch_and_give_what_each_does_alone(
    weights: Path, tmp_path: Path, batches: list[tuple[int, ...]]
) -> None:
    for number, mode in enumerate(("RGB", "L", "RGBA", "RGB", "LA", "RGB")):
        save(tmp_path / "in" / f"{number}.png", mode, seed=number)
    for number in range(6, 9):
        save(tmp_path / "in" / f"{number}.png", size=(7, 9), seed=number)
    assert enlarge(weights, tmp_path, "alone", batch_size=1)[0].complete
    assert len(batches) == 11  # of alpha one more
    batches.clear()
    summary, _ = enlarge(weights, tmp_path, "together", batch_size=8)
    assert batches == [(8, 3, 10, 12), (3, 3, 9, 7)]
    assert [job.name for job in summary.written] == [f"{number}.png" for number in range(9)]
    alone, together = pixels(tmp_path / "alone"), pixels(tmp_path / "together")
    assert len(together) == 9
    for name, values in alone.items():
        assert together[name].shape == values.shape
        assert np.abs(together[name] - values).max() <= 1  # a rounding to 8 bit may fall to the other side


def test_no_more_than_a_batch_is_held_and_each_has_its_time(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    upscaler = Upscaler(weights, device="cpu", precision="fp32", batch_size=4)
    enlarger = Enlarger(upscaler, format="png", quality=95, max_pixels=10**6, scratch=tmp_path)
    jobs = plan_jobs(tmp_path / "in", tmp_path / "out", format="png")
    given: list[int] = []

    def slow(self: Generator, lr: Tensor) -> Tensor:
        given.append(len(lr))
        time.sleep(0.05 * len(lr))
        return lr.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)

    monkeypatch.setattr(Generator, "forward", slow)
    for number in range(4):
        enlarger(jobs[number], jobs[number + 1 :])
    assert given == [4]
    assert all(0.05 <= seconds < 0.2 for seconds in enlarger.seconds.values())


def test_sizes_that_alternate_are_sorted_out(weights: Path, tmp_path: Path, batches: list[tuple[int, ...]]) -> None:
    for number in range(8):
        save(tmp_path / "in" / f"{number}.png", size=(12, 10) if number % 2 else (10, 12), seed=number)
    assert enlarge(weights, tmp_path, "out", batch_size=4)[0].complete
    assert batches == [(4, 3, 12, 10), (4, 3, 10, 12)]


def test_pages_of_different_sizes_leave_the_batch_to_later_files(
    weights: Path, tmp_path: Path, batches: list[tuple[int, ...]]
) -> None:
    for number in range(1, 3):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    pages = [Image.new("RGB", size, "teal") for size in ((12, 10), (8, 6))]
    pages[0].save(tmp_path / "in" / "0.tif", save_all=True, append_images=pages[1:])
    summary, _ = enlarge(weights, tmp_path, "out", batch_size=4, format="tiff")
    assert [job.name for job in summary.written] == ["0.tif", "1.png", "2.png"]
    assert batches == [(1, 3, 10, 12), (1, 3, 6, 8), (2, 3, 10, 12)]


def test_pictures_larger_than_a_tile_are_left_to_their_turn(
    weights: Path, tmp_path: Path, batches: list[tuple[int, ...]]
) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", size=(44, 24), seed=number)
    assert enlarge(weights, tmp_path, "out", batch_size=4, tile_size=20)[0].complete
    assert {shape[0] for shape in batches} == {2}  # a picture's own tiles
    assert len(batches) == 4


def test_a_bad_file_in_a_batch_fails_alone_and_in_its_turn(
    weights: Path, tmp_path: Path, batches: list[tuple[int, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    whole = (tmp_path / "in" / "1.png").read_bytes()
    (tmp_path / "in" / "1.png").write_bytes(whole[: len(whole) // 2])
    summary, _ = enlarge(weights, tmp_path, "out", batch_size=4)
    assert [job.name for job in summary.written] == ["0.png", "2.png", "3.png"]
    assert len(summary.failures) == 1
    assert batches == [(3, 3, 10, 12)]
    told = capsys.readouterr().out.splitlines()
    assert [("Failed" in line, f"{number}.png" in line) for number, line in enumerate(told)] == [
        (False, True), (True, True), (False, True), (False, True)
    ]  # fmt: skip


def test_a_picture_that_spoils_its_batch_fails_alone(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    Image.new("RGB", (12, 10), (1, 2, 3)).save(tmp_path / "in" / "2.png")
    forward = Generator.forward

    def choosy(self: Generator, lr: Tensor) -> Tensor:
        if any((picture[0] == 1 / 255).all() for picture in lr):
            raise RuntimeError("no such colour")
        return forward(self, lr)

    monkeypatch.setattr(Generator, "forward", choosy)
    summary, _ = enlarge(weights, tmp_path, "out", batch_size=4)
    assert [job.name for job in summary.written] == ["0.png", "1.png", "3.png"]
    (failure,) = summary.failures.values()
    assert "2.png: no such colour" in failure


def test_what_is_done_is_not_computed_with_the_others(
    weights: Path, tmp_path: Path, batches: list[tuple[int, ...]]
) -> None:
    for number in range(5):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    enlarge(weights, tmp_path, "out", batch_size=4)
    (tmp_path / "out" / "1.png").unlink()
    save(tmp_path / "in" / "3.png", seed=9)
    batches.clear()
    summary, _ = enlarge(weights, tmp_path, "out", batch_size=4)
    assert batches == [(2, 3, 10, 12)]
    assert [job.name for job in summary.skipped] == ["0.png", "2.png", "4.png"]
    assert [job.name for job in summary.written] == ["1.png", "3.png"]


def test_stopped_within_a_batch_what_was_written_stays(weights: Path, tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    upscaler = Upscaler(weights, device="cpu", precision="fp32", batch_size=4)
    enlarger = Enlarger(upscaler, format="png", quality=95, max_pixels=10**6, scratch=tmp_path)
    jobs = plan_jobs(tmp_path / "in", tmp_path / "out", format="png")

    def stopped(job: Job, ahead: Any) -> Any:
        if job.name == "2.png":
            raise KeyboardInterrupt
        return enlarger(job, ahead)

    summary = run_jobs(jobs, stopped, ledger=Ledger(tmp_path / "out"), made_with="s", look_ahead=enlarger.look_ahead)
    assert summary.interrupted
    assert [job.name for job in summary.left] == ["2.png", "3.png"]
    assert sorted(pixels(tmp_path / "out")) == ["0.png", "1.png"]
    assert len(enlarge(weights, tmp_path, "out", batch_size=4)[0].skipped) == 2
