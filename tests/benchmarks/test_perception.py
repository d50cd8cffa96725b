"""Tests of what the perception benchmark measures beside scores."""

from pathlib import Path

import pytest
import torch

from benchmarks.perception import checkerboard_energy, colour_error, measure
from srgan.networks import Generator
from srgan.weights import save_generator


def test_a_grid_of_pixel_shuffles_is_seen_and_a_gradient_is_none() -> None:
    gradient = torch.linspace(0.2, 0.8, 64).expand(1, 3, 66, 64)
    grid = gradient.clone()
    grid[..., ::4, ::4] += 0.02
    other = gradient.clone()
    other[..., ::5, ::5] += 0.02  # no period of a pixel shuffle
    assert checkerboard_energy(grid) > 100 * checkerboard_energy(gradient)
    assert checkerboard_energy(grid) > 100 * checkerboard_energy(other)


def test_colour_error_is_the_worst_channels_in_255ths() -> None:
    hr = torch.full((1, 3, 8, 8), 0.5)
    sr = hr + torch.tensor([0.0, 2.0, -1.0]).view(1, 3, 1, 1) / 255
    assert colour_error(sr, hr) == pytest.approx(2, abs=1e-3)


def test_weights_are_measured_photo_by_photo(tmp_path: Path) -> None:
    weights = tmp_path / "generator.safetensors"
    save_generator(weights, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic"))
    pictures = [{"lr": torch.rand(1, 3, 5, 6), "hr": torch.rand(1, 3, 20, 24), "name": [str(n)]} for n in range(5)]
    figures = measure([str(weights)], pictures, {"colour": colour_error})
    assert set(figures) == {"bicubic", str(weights)}
    by_photo = dict(figures["bicubic"])
    mean = by_photo.pop("mean")["colour"]
    assert len(by_photo) == 5
    assert mean == pytest.approx(sum(each["colour"] for each in by_photo.values()) / 5)
