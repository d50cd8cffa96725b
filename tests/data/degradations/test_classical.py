"""Tests of srgan.data.degradations: LR as the papers' files have it, and blurred and noisy."""

import numpy as np
import pytest
import torch

from srgan.data.degradations import ClassicalDegradation, RandomBlur
from srgan.pictures.resize import downscale
from srgan.pictures.resize import downscale_pixels as bicubic


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_resize_rounded_to_8_bit(scale: int) -> None:
    hr = torch.randint(256, (3, 8 * scale, 5 * scale), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = (downscale(hr[None] / 255, scale)[0] * 255).clamp(0, 255).round()
    lr = bicubic(hr, scale)
    assert lr.dtype == torch.uint8
    assert torch.equal(lr.float(), expected)


def test_overshoot_at_an_edge_does_not_wrap_around() -> None:
    hr = torch.zeros(3, 16, 48, dtype=torch.uint8)
    hr[..., 24:] = 255
    row = bicubic(hr, 4)[0, 2]
    assert downscale(hr[None] / 255, 4).max() > 1  # else this test shows nothing
    assert row[:5].max() < 50
    assert row[-5:].min() > 200


def test_flat_picture_keeps_its_value() -> None:
    flat = torch.full((3, 16, 20), 77, dtype=torch.uint8)
    assert torch.equal(bicubic(flat, 4), flat[:, :4, :5])


def classical(*, sigma_range: list[float], noise_sigma_range: list[float]) -> ClassicalDegradation:
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"isotropic": 1}, sigma_range=sigma_range)
    return ClassicalDegradation(blur=blur, noise_sigma_range=noise_sigma_range)


def test_senseless_noise_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"data\.degradation\.noise_sigma_range to be two numbers of 0 or more.*\[25\]"
    ):
        classical(sigma_range=[1, 1], noise_sigma_range=[25])


def rngs(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def test_classical_without_blur_and_noise_is_bicubic() -> None:
    hr = torch.randint(256, (2, 3, 32, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lr = classical(sigma_range=[0.01, 0.01], noise_sigma_range=[0, 0])(hr / 255, scale=4, rngs=rngs(0, 1))
    expected = torch.stack([bicubic(each, 4) for each in hr])
    assert ((lr * 255).round() - expected).abs().max() <= 1  # where rounding meets a half
    assert torch.equal(lr, (lr * 255).round() / 255)


def test_classical_blurs_by_the_sigma_asked_for() -> None:
    # A sine wave of a period of 16 pixels is weakened by exp(-(2 pi sigma / 16)^2 / 2).
    wave = (0.5 + 0.4 * torch.sin(2 * torch.pi * torch.arange(256) / 16)).expand(1, 3, 64, 256)
    sharp, soft = (
        classical(sigma_range=[sigma, sigma], noise_sigma_range=[0, 0])(wave, scale=4, rngs=rngs(0))[..., 4:-4, 8:-8]
        for sigma in (0.01, 2.0)
    )
    assert soft.std() / sharp.std() == pytest.approx(np.exp(-((2 * np.pi * 2 / 16) ** 2) / 2), abs=0.01)


def test_classical_noise_has_the_given_deviation_and_own_draws() -> None:
    flat = torch.full((2, 3, 400, 400), 0.5)
    degradation = classical(sigma_range=[1, 1], noise_sigma_range=[10, 10])
    lr = degradation(flat, scale=4, rngs=rngs(3, 4))
    assert (255 * lr).std(dim=(1, 2, 3)).tolist() == pytest.approx([10, 10], rel=0.03)
    assert not torch.equal(lr[0], lr[1])
    assert torch.equal(degradation(flat[:1], scale=4, rngs=rngs(4))[0], lr[1])
