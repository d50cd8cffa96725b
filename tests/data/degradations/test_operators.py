"""Tests of srgan.data.degradations.operators against sums, variances and JPEG's tables."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from srgan.data.degradations.operators import Noise, add_noise, blur, blur_batch, jpegs, resize
from srgan.pictures.rgb import to_uint8


def jpeg(image: Tensor, quality: int) -> Tensor:
    return jpegs([image], [quality])[0]


def smooth_picture(height: int, width: int) -> Tensor:
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")


def noisy(image: Tensor, *, gaussian: bool = True, gray: bool = False, strength: float) -> Tensor:
    return add_noise([image], [Noise(gaussian=gaussian, gray=gray, strength=strength, seed=1)])[0]


@pytest.mark.parametrize(("height", "width"), [(5, 4), (17, 12)])
def test_blur_is_a_weighted_sum_mirrored_at_the_edge(height: int, width: int) -> None:
    image, kernel = torch.rand(1, 3, height, width), torch.rand(7, 7)
    (blurred,) = blur([image], [kernel])
    assert blurred.shape == image.shape
    mirrored = np.pad(image[0].numpy(), ((0, 0), (3, 3), (3, 3)), mode="symmetric")
    for row in range(height):
        for column in range(width):
            window = mirrored[:, row : row + 7, column : column + 7]
            expected = (window * kernel.numpy()[::-1, ::-1]).sum(axis=(1, 2))
            np.testing.assert_allclose(blurred[0, :, row, column].numpy(), expected, rtol=1e-4)


def test_images_blurred_together_keep_their_own_kernels() -> None:
    images, kernels = torch.rand(4, 3, 20, 24), torch.rand(4, 5, 5)
    one_by_one = torch.cat(blur(torch.split(images, 1), list(kernels)))
    torch.testing.assert_close(blur_batch(images, kernels), one_by_one)  # as on a card


def test_a_kernel_of_one_pixel_changes_no_bit() -> None:
    image = torch.rand(1, 3, 20, 24)
    assert torch.equal(blur([image], [torch.ones(1, 1)])[0], image)


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_each_image_gets_its_size_and_one_of_its_own_stays(mode: str) -> None:
    images = torch.split(torch.rand(3, 3, 20, 24), 1)
    small, same, too = resize(images, [(10.9, 12.2), (20.5, 24.0), (10.0, 12.9)], [mode] * 3)
    for result, image in ((small, images[0]), (too, images[2])):
        assert torch.equal(result, torch.nn.functional.interpolate(image, size=(10, 12), mode=mode))
    assert torch.equal(same, torch.nn.functional.interpolate(images[1], size=(20, 24), mode=mode))


@pytest.mark.parametrize("gray", [False, True])
def test_gaussian_noise_has_the_deviation_asked_for(gray: bool) -> None:
    flat = torch.full((1, 3, 200, 200), 0.5)
    noise = noisy(flat, gray=gray, strength=0.05) - flat
    assert noise.std() == pytest.approx(0.05, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    correlation = torch.corrcoef(noise[0].flatten(1))[0, 1]
    assert correlation == pytest.approx(1 if gray else 0, abs=0.02)


@pytest.mark.parametrize("gray", [False, True])
def test_poisson_noise_goes_with_brightness(gray: bool) -> None:
    ramp = (torch.arange(256) / 255).expand(1, 3, 4000, 256)  # all 256 levels: white is 256 photons
    noise = noisy(ramp, gaussian=False, gray=gray, strength=0.5) - ramp
    for level in (20, 80, 200):
        expected = 0.5 * (level / 255 / 256) ** 0.5
        assert noise[..., level].std() == pytest.approx(expected, rel=0.05)
    assert torch.equal(noise[:, 0], noise[:, 1]) == gray


def test_poisson_noise_of_few_levels_has_few_photons() -> None:
    # Three levels in use, rounded up: white is 4 photons, so that noise is in quarters.
    image = torch.tensor([0.0, 1.0, 128 / 255]).repeat(40, 40)[None, None].expand(1, 3, 40, 120)
    noise = noisy(image, gaussian=False, strength=1.0)[..., 2::3]
    quarters = noise[(noise > 0) & (noise < 1)] * 4
    torch.testing.assert_close(quarters, quarters.round(), atol=1e-4, rtol=0)
    assert set(quarters.round().tolist()) == {1, 2, 3}


def test_noise_stays_in_range() -> None:
    image = torch.tensor([0.0, 1.0]).repeat(30, 30)[None, None].expand(1, 3, 30, 60)
    for gaussian, strength in ((True, 0.3), (False, 3.0)):
        result = noisy(image, gaussian=gaussian, strength=strength)
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize("gaussian", [False, True])
def test_noise_is_the_same_in_any_company(gaussian: bool) -> None:
    images = torch.split(torch.rand(6, 3, 24, 20) * torch.rand(6, 1, 1, 1), 1)
    noises = [Noise(gaussian=gaussian, gray=n % 2 == 0, strength=0.1 * n, seed=n) for n in range(6)]
    together = add_noise(images, noises)
    for image, noise, result in zip(images, noises, together, strict=True):
        assert torch.equal(add_noise([image], [noise])[0], result)


def test_jpegs_are_those_that_pillow_writes() -> None:
    images = [(smooth_picture(height, 37) + 0.1 * torch.randn(1, 3, height, 37)).clamp(0, 1) for height in (8, 50, 61)]
    qualities = [30, 75, 100]
    for image, quality, result in zip(images, qualities, jpegs(images, qualities), strict=True):
        file = BytesIO()
        Image.fromarray(to_uint8(image)[0].permute(1, 2, 0).numpy()).save(file, format="JPEG", quality=quality)
        with Image.open(file) as opened:
            assert torch.equal((result * 255).round(), torch.tensor(np.array(opened)).permute(2, 0, 1)[None].float())


@pytest.mark.parametrize(
    ("quality", "level", "coded"),
    [
        (50, 134, 134),  # JPEG's table has 16 for the mean of a square: steps of 16 / 8 = 2 levels from 128
        (25, 133, 132),  # twice the table at a quality of 25: steps of 4
        (25, 135, 136),
        (10, 135, 138),  # five times the table: steps of 10
        (10, 132, 128),
    ],
)
def test_jpeg_rounds_as_its_table_says(quality: int, level: int, coded: int) -> None:
    result = jpeg(torch.full((1, 3, 16, 24), level / 255), quality)
    torch.testing.assert_close(result * 255, torch.full((1, 3, 16, 24), float(coded)))


def test_jpeg_has_8x8_blocks_and_colour_at_half_resolution() -> None:
    image = torch.full((1, 3, 32, 32), 0.5)
    image[:, 1, 17:21, 3:7] = 0.8  # a green patch
    coded = jpeg(image, 80)
    luma = (coded * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1)[0]
    changed = (luma - 0.5).abs() > 1.5 / 255
    assert changed[16:24, :8].any()
    changed[16:24, :8] = False
    assert not changed.any()
    green = (coded[:, 1] - coded[:, 0]).abs()[0]
    assert green[24:, 9:15].any()  # colour runs on through a square of 16, and a pixel further by interpolation
    assert not green[:15].any()
    assert not green[:, 17:].any()


@pytest.mark.parametrize("size", [(37, 50), (9, 7), (1, 1)])
def test_jpeg_takes_pictures_of_any_size(size: tuple[int, int]) -> None:
    image = smooth_picture(*size)
    good, bad = jpeg(image, 95), jpeg(image, 10)
    assert good.shape == bad.shape == image.shape
    assert (good - image).abs().mean() < (bad - image).abs().mean()
