"""Tests of resizing: golden pixels of the sample photos, and MATLAB's imresize written out once more."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import srgan
from srgan.pictures.resize import downscale, downscale_pixels, mirror_pad, upscale
from srgan.pictures.rgb import read_image, read_rgb8, to_uint8

GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden_sample.json").read_text())
PHOTOS = Path(srgan.__file__).parent / "assets" / "photos" / "val"

Array = npt.NDArray[np.float64]


def _cubic(x: Array) -> Array:
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _contributions(length: int, out_length: int, scale: float) -> tuple[Array, npt.NDArray[np.int64]]:
    """Weights and 1-based indices of imresize.m's function of the same name."""
    stretch = min(scale, 1.0)
    width = 4 / stretch
    x = np.arange(1, out_length + 1)
    u = x / scale + 0.5 * (1 - 1 / scale)
    left = np.floor(u - width / 2)
    indices = left[:, None] + np.arange(int(np.ceil(width)) + 2)
    weights = stretch * _cubic(stretch * (u[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(1, length + 1), np.arange(length, 0, -1)])
    return weights, mirror[np.mod(indices - 1, 2 * length).astype(np.int64)]


def _imresize(images: torch.Tensor, scale: float) -> torch.Tensor:
    values: Array = images.double().numpy()
    for axis in (-2, -1):
        length = values.shape[axis]
        weights, indices = _contributions(length, int(np.ceil(length * scale - 1e-9)), scale)
        values = (np.moveaxis(values, axis, -1)[..., indices - 1] * weights).sum(axis=-1)
        values = np.moveaxis(values, -1, axis)
    return torch.from_numpy(values).float()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_low_resolution_pixels(name: str) -> None:
    hr = read_image(PHOTOS / name)
    assert list(hr.shape[-2:]) == GOLDEN[name]["hr_size"]
    lr = to_uint8(downscale(hr, 4))[0]
    first_row = lr[:, 0].T.tolist()
    assert first_row[: len(GOLDEN[name]["lr_first_row_rgb_u8"])] == GOLDEN[name]["lr_first_row_rgb_u8"]
    assert lr[:, lr.shape[1] // 2, lr.shape[2] // 2].tolist() == GOLDEN[name]["lr_center_rgb_u8"]
    assert lr.double().mean().item() == pytest.approx(GOLDEN[name]["lr_mean_u8"], abs=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 5), (7, 3), (11, 13)])
def test_downscale_equals_imresize(scale: int, size: tuple[int, int]) -> None:
    hr = torch.rand(2, 3, scale * size[0], scale * size[1], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(downscale(hr, scale), _imresize(hr, 1 / scale), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (7, 3), (40, 13), (17, 300)])
def test_pixels_are_those_of_downscale(scale: int, size: tuple[int, int]) -> None:
    shape = (3, scale * size[0], scale * size[1])
    hr = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = (downscale(hr[None].double() / 255, scale)[0].clamp(0, 1) * 255).numpy()
    lr = downscale_pixels(hr, scale)
    assert lr.dtype == torch.uint8
    np.testing.assert_allclose(lr.numpy(), expected, atol=0.5 + 1e-3)  # rounded; to either side at a half


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_low_resolution_pixels_of_whole_photos(name: str) -> None:
    lr = downscale_pixels(read_rgb8(PHOTOS / name), 4)
    first_row = GOLDEN[name]["lr_first_row_rgb_u8"]
    assert lr[:, 0].T.tolist()[: len(first_row)] == first_row
    assert lr[:, lr.shape[1] // 2, lr.shape[2] // 2].tolist() == GOLDEN[name]["lr_center_rgb_u8"]
    assert lr.double().mean().item() == pytest.approx(GOLDEN[name]["lr_mean_u8"], abs=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 5), (7, 3), (11, 13)])
def test_upscale_equals_imresize(scale: int, size: tuple[int, int]) -> None:
    lr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(upscale(lr, scale), _imresize(lr, scale), atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_flat_picture_stays_flat(value: float) -> None:
    flat = torch.full((1, 3, 8, 12), value)
    torch.testing.assert_close(downscale(flat, 4), torch.full((1, 3, 2, 3), value), atol=1e-6, rtol=0)
    torch.testing.assert_close(upscale(flat, 4), torch.full((1, 3, 32, 48), value), atol=1e-6, rtol=0)


def test_scale_1_changes_nothing() -> None:
    images = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(downscale(images, 1), images)
    torch.testing.assert_close(upscale(images, 1), images)


@pytest.mark.parametrize("turn", [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-2, -1)])
def test_turning_commutes_with_resizing(turn: Any) -> None:
    images = torch.rand(1, 3, 16, 24)
    torch.testing.assert_close(downscale(turn(images), 4), turn(downscale(images, 4)), atol=1e-5, rtol=0)
    torch.testing.assert_close(upscale(turn(images), 4), turn(upscale(images, 4)), atol=1e-5, rtol=0)


def test_edges_overshoot_and_are_not_clamped() -> None:
    step = torch.cat([torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)], dim=-1)
    assert downscale(step, 4).min() < 0
    assert upscale(step, 4).max() > 1


@pytest.mark.parametrize("size", [(9, 8), (8, 9)])
def test_sides_that_are_no_multiple_raise(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 4, got {size[0]}x{size[1]}\. Crop"):
        downscale(torch.zeros(1, 3, *size), 4)


@pytest.mark.parametrize("margin", [0, 1, 3, 7])
def test_mirror_pad_repeats_the_edge_pixel(margin: int) -> None:
    picture = np.arange(6.0).reshape(2, 3)
    expected = torch.from_numpy(np.pad(picture, margin, mode="symmetric"))
    assert torch.equal(mirror_pad(torch.from_numpy(picture), margin), expected)
