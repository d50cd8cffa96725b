"""Tests of how a picture is cut: nothing left out, margins everywhere inside, and tiles that fit into memory."""

import pytest
import torch

from srgan.inference import tile_layout as module
from srgan.inference.tile_layout import auto_tile_size, windows
from srgan.networks import Generator


@pytest.mark.parametrize("length", [1, 7, 20, 21, 22, 64, 100, 101])
@pytest.mark.parametrize("size", [1, 3, 16, 64, 1000])
@pytest.mark.parametrize("start", [0, 1, 9, 33])
def test_windows_cover_the_side_once_with_margins(length: int, size: int, start: int) -> None:
    if start >= length:
        start = 0
    margin = 10
    cut = windows(length, size, margin, start=start)
    assert [pixel for window in cut for pixel in range(window.start, window.stop)] == list(range(start, length))
    assert len({window.last - window.first for window in cut}) == 1
    for window in cut:
        assert window.start - window.first >= min(margin, window.start)
        assert window.last - window.stop >= min(margin, length - window.stop)
        assert 0 <= window.first < window.last <= length
        assert window.last - window.first <= size + 2 * margin


@pytest.mark.parametrize(
    ("gigabytes", "expected"),
    [
        (None, 512),
        (100, 512),  # 592 x 592 pixels of 9.8 kB: 3.4 GB
        (3.0, 256),  # 336 x 336: 1.1 GB
        (2.0, 192),  # 272 x 272: 0.7 GB
        (1.0, 128),  # 208 x 208: 0.4 GB
        (0.001, 32),  # nothing fits: the smallest is tried
    ],
)
def test_auto_takes_the_largest_tile_that_half_the_memory_holds(
    gigabytes: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Generator(norm="none")
    assert generator.receptive_radius == 40
    monkeypatch.setattr(module, "available_memory", lambda device: gigabytes and gigabytes * 1e9)
    size = auto_tile_size(generator, 20000, 30000, batch_size=1, device=torch.device("cpu"))
    assert size == expected


def test_auto_takes_the_smaller_of_two_that_cost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda device: None)
    # Without the margins 600 pixels are left: two tiles of 300, whether 384 or 512 are allowed.
    assert auto_tile_size(Generator(), 680, 90, batch_size=1, device=torch.device("cpu")) == 384


def test_auto_takes_a_small_picture_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda device: None)
    assert auto_tile_size(Generator(), 60, 50, batch_size=1, device=torch.device("cpu")) == 60


def test_more_tiles_at_once_are_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda device: 2e9)
    sizes = [auto_tile_size(Generator(), 9000, 9000, batch_size=n, device=torch.device("cpu")) for n in (1, 2, 8)]
    assert sizes == [192, 128, 32]
