"""Tests of bringing pictures to any size: MATLAB's imresize in float64 is what to come close to."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from srgan.pictures import Picture
from srgan.pictures.resize import downscale, resize_rows, upscale
from srgan.pictures.shrink import resize_picture

Array = npt.NDArray[np.float64]


def _cubic(x: Array) -> Array:
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def resized_in_float64(values: Array, size: tuple[int, int]) -> Array:
    """Bicubic by the definition: each pixel a sum over all, borders mirrored."""
    for axis, new in zip((-2, -1), size, strict=True):
        old = values.shape[axis]
        step, reach = old / new, 2 * old
        places = np.arange(-reach, old + reach)
        centre = (np.arange(new) + 0.5) * step - 0.5
        weights = _cubic((centre[:, None] - places) / max(step, 1))
        weights /= weights.sum(axis=1, keepdims=True)
        position = places % (2 * old)
        matrix = np.zeros((new, old))
        np.add.at(matrix.T, np.where(position < old, position, 2 * old - 1 - position), weights.T)
        values = np.moveaxis(np.moveaxis(values, axis, -1) @ matrix.T, -1, axis)
    return values


def noise(*shape: int, peak: int, dtype: Any) -> torch.Tensor:
    levels = np.random.default_rng(0).integers(0, peak + 1, shape)
    return torch.from_numpy(levels.astype(dtype))


@pytest.mark.parametrize("size", [(31, 17), (7, 100), (3, 2), (61, 47), (1, 1)])
def test_rows_are_those_of_the_definition(size: tuple[int, int]) -> None:
    image = noise(1, 3, 53, 41, peak=255, dtype=np.float32)
    expected = resized_in_float64(image.double().numpy(), size)
    height = size[0]
    for first, last in {(0, height), (0, min(2, height)), (height // 2, height // 2 + 1), (height - 1, height)}:
        rows = resize_rows(image, size, first, last)
        assert np.abs(rows.numpy() - expected[..., first:last, :]).max() < 0.01  # of 255


def test_whole_factors_give_what_the_scores_are_measured_with() -> None:
    image = torch.rand(1, 3, 24, 36, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(resize_rows(image, (6, 9), 0, 6), downscale(image, 4), atol=1e-5)
    assert torch.allclose(resize_rows(image, (96, 144), 0, 96), upscale(image, 4), atol=1e-5)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
@pytest.mark.parametrize("gray", [False, True])
def test_a_picture_is_within_half_a_level_of_float64(
    bits: int, dtype: Any, gray: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan.pictures.shrink._BAND_PIXELS", 500)  # some bands
    peak = 2**bits - 1
    rgb = noise(1, 1 if gray else 3, 53, 41, peak=peak, dtype=dtype).expand(-1, 3, -1, -1)
    alpha = noise(1, 1, 53, 41, peak=peak, dtype=dtype)
    small = resize_picture(
        Picture(rgb=rgb, alpha=alpha, gray=gray, bits=bits, icc_profile=None, exif=None, format="PNG"), (29, 22)
    )
    assert small.alpha is not None
    for found, before in ((small.rgb, rgb), (small.alpha, alpha)):
        expected = resized_in_float64(before.numpy().astype(np.float64), (29, 22)).clip(0, peak)
        assert found.numpy().dtype == dtype
        assert np.abs(found.numpy().astype(np.float64) - expected).max() < 0.51 + 1e-4 * peak / 255
    assert small.size == (29, 22)


def test_opaque_stays_opaque_and_flat_stays_flat() -> None:
    rgb, alpha = torch.full((1, 3, 40, 30), 0.5), torch.ones(1, 1, 40, 30)
    picture = Picture(rgb=rgb, alpha=alpha, gray=False, bits=8, icc_profile=None, exif=None, format="PNG")
    small = resize_picture(picture, (13, 11))
    assert small.alpha is not None
    assert set(small.rgb.flatten().tolist()) == {128}
    assert set(small.alpha.flatten().tolist()) == {255}


def test_of_gray_one_channel_is_held() -> None:
    asked: list[int] = []

    def room(shape: tuple[int, ...], *, dtype: torch.dtype) -> torch.Tensor:
        asked.append(int(np.prod(shape)))
        return torch.empty(shape, dtype=dtype)

    rgb = torch.zeros(1, 3, 300, 200, dtype=torch.uint8)
    picture = Picture(rgb=rgb, alpha=None, gray=True, bits=8, icc_profile=None, exif=None, format="PNG")
    assert resize_picture(picture, (30, 20), room=room).rgb.shape == (1, 3, 30, 20)
    assert asked == [600]
