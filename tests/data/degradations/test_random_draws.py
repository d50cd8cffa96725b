"""Tests of srgan.data.degradations.random_draws: what is drawn, how often, and from which generator."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from srgan.data.degradations import RandomBlur, RandomNoise, RandomResize
from srgan.data.degradations.kernels import gaussian, generalised_gaussian, identity, plateau
from srgan.data.degradations.operators import add_noise, resize
from srgan.data.degradations.random_draws import random_mode, random_sinc


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def random_resize(image: Tensor, size: tuple[float, float], rng: np.random.Generator) -> Tensor:
    return resize([image], [size], [random_mode(rng)])[0]


def noisy(image: Tensor, noise: RandomNoise, rng: np.random.Generator) -> Tensor:
    return add_noise([image], [noise.noise(rng)])[0]


def make_blur(kind: str = "isotropic", **changes: Any) -> RandomBlur:
    return RandomBlur(**{"kernel_sizes": [9], "kind_weights": {kind: 1.0}, "sigma_range": [1.5, 1.5], **changes})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("isotropic", lambda: gaussian(9, 1.5, 1.5)),
        ("anisotropic", lambda: gaussian(9, 1.5, 1.5)),
        ("generalised_isotropic", lambda: generalised_gaussian(9, 1.5, 1.5, beta=1)),
        ("generalised_anisotropic", lambda: generalised_gaussian(9, 1.5, 1.5, beta=1)),
        ("plateau_isotropic", lambda: plateau(9, 1.5, 1.5, beta=1)),
        ("plateau_anisotropic", lambda: plateau(9, 1.5, 1.5, beta=1)),
    ],
)
def test_each_kind_is_its_kernel(kind: str, expected: Callable[[], Tensor]) -> None:
    torch.testing.assert_close(make_blur(kind).kernel(rngs(1)[0]), expected())


@pytest.mark.parametrize("shape", ["", "generalised_", "plateau_"])
def test_only_anisotropic_kernels_are_longer_one_way(shape: str) -> None:
    for kind, round_ in (("isotropic", True), ("anisotropic", False)):
        for rng in rngs(5):
            kernel = make_blur(shape + kind, sigma_range=[0.5, 3.0]).kernel(rng)
            assert torch.allclose(kernel, kernel.rot90(), atol=1e-12) == round_


def test_anisotropic_kernels_are_turned_both_ways() -> None:
    blur = make_blur("anisotropic", sigma_range=[0.5, 3.0])
    offsets = torch.arange(9.0, dtype=torch.float64) - 4
    covariances = [float(offsets @ blur.kernel(rng) @ offsets) for rng in rngs(100)]
    assert np.mean(np.array(covariances) > 0.1) == pytest.approx(0.4, abs=0.15)
    assert np.mean(np.array(covariances) < -0.1) == pytest.approx(0.4, abs=0.15)


def test_beta_is_below_1_half_the_time_however_far_it_reaches() -> None:
    blur = make_blur("generalised_isotropic", sigma_range=[1, 1], generalised_beta_range=[0.5, 4.0])
    rows = [blur.kernel(rng)[4] for rng in rngs(400)]
    # At two deviations the formula is exp(-2^(2 beta) / 2) of the middle, which for beta = 1 is exp(-2).
    peaked = [float(row[6] / row[4]) > math.exp(-2) for row in rows]
    assert np.mean(peaked) == pytest.approx(0.5, abs=0.07)


def test_kernels_are_of_all_sizes_and_some_are_none_or_sinc() -> None:
    blur = make_blur(kernel_sizes=[3, 5, 7], sigma_range=[5, 5], sinc_probability=0.25, probability=0.8)
    kernels = [blur.kernel(rng) for rng in rngs(1000)]
    assert all(kernel.sum() == pytest.approx(1) for kernel in kernels)
    none = [torch.equal(kernel, identity()) for kernel in kernels]
    assert np.mean(none) == pytest.approx(0.2, abs=0.04)
    for size in (3, 5, 7):  # a wide Gaussian fills its square; sincs do not equal one
        share = np.mean(
            [kernel.shape == (size, size) and torch.allclose(kernel, gaussian(size, 5, 5)) for kernel in kernels]
        )
        assert share == pytest.approx(0.8 * 0.75 / 3, abs=0.04)


# Beside its middle an ideal low-pass of cutoff c has 2 J1(c) / c of it: 0.951 at pi / 5, 0.869 at pi / 3, 0.181 at pi.
@pytest.mark.parametrize(("size", "lowest"), [(7, 0.869), (21, 0.951)])
def test_sinc_of_a_wide_kernel_reaches_lower(size: int, lowest: float) -> None:
    kernels = [random_sinc(size, rng) for rng in rngs(300)]
    beside = [float(kernel[size // 2, size // 2 + 1] / kernel[size // 2, size // 2]) for kernel in kernels]
    assert max(beside) == pytest.approx(lowest, abs=0.01)
    assert min(beside) == pytest.approx(0.181, abs=0.01)


def test_factors_of_size_come_as_often_as_asked() -> None:
    resize = RandomResize(larger_probability=0.2, smaller_probability=0.7, factor_range=[0.15, 1.5])
    factors = np.array([resize.factor(rng) for rng in rngs(2000)])
    assert np.mean(factors > 1) == pytest.approx(0.2, abs=0.03)
    assert np.mean(factors < 1) == pytest.approx(0.7, abs=0.03)
    assert factors.min() == pytest.approx(0.15, abs=0.01)
    assert factors.max() == pytest.approx(1.5, abs=0.01)


def test_resize_averages_or_interpolates_and_rounds_size_down() -> None:
    image = torch.zeros(1, 3, 4, 8)
    image[..., ::2, ::2] = 1
    results = [random_resize(image, (2.9, 4.9), rng) for rng in rngs(30)]
    assert {tuple(result.shape) for result in results} == {(1, 3, 2, 4)}
    means = {round(float(result.mean()), 3) for result in results}
    assert 0.25 in means  # area: one of four pixels is white
    assert results[0].min() > 0
    assert random_resize(image, (0.3, 0.2), rngs(1)[0]).shape == (1, 3, 1, 1)


def test_resize_uses_each_of_its_three_modes_equally_often() -> None:
    edge = torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1]).expand(1, 3, 8, 8)
    results = [random_resize(edge, (16, 16), rng) for rng in rngs(300)]
    area = [set(result.flatten().tolist()) == {0, 1} for result in results]
    bicubic = [bool(result.min() < -0.01 and result.max() > 1.01) for result in results]
    assert np.mean(area) == pytest.approx(1 / 3, abs=0.08)
    assert np.mean(bicubic) == pytest.approx(1 / 3, abs=0.08)


def test_noise_is_of_both_kinds_in_colour_and_gray() -> None:
    noise = RandomNoise(
        gaussian_probability=0.5, sigma_range=[10, 10], poisson_weight_range=[1, 1], gray_probability=0.4
    )
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    image[..., :4, :] = 0  # where Poisson noise is none
    gray, poisson = [], []
    for rng in rngs(400):
        added = noisy(image, noise, rng) - image
        gray.append(torch.allclose(added[0, 0, 8:], added[0, 1, 8:], atol=1e-6))
        poisson.append(not added[..., :4, :].any())
    assert np.mean(gray) == pytest.approx(0.4, abs=0.08)
    assert np.mean(poisson) == pytest.approx(0.5, abs=0.08)


def test_noise_depends_on_its_generator_alone() -> None:
    noise = RandomNoise(gaussian_probability=1, sigma_range=[1, 30], poisson_weight_range=[1, 1], gray_probability=0)
    image = torch.full((1, 3, 8, 8), 0.5)
    first, second = (noisy(image, noise, np.random.default_rng(seed)) for seed in (7, 8))
    torch.rand(3)
    assert torch.equal(noisy(image, noise, np.random.default_rng(7)), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_sizes": [7, 8]}, r"blur\.kernel_sizes to be odd numbers above 0, got \[7, 8\]"),
        ({"kernel_sizes": [-7]}, r"blur\.kernel_sizes to be odd numbers above 0, got \[-7\]"),
        ({"kind_weights": {"isotrpic": 1.0}}, "blur.kind_weights of isotropic.*got isotrpic"),
        ({"kind_weights": {"isotropic": 0}}, "blur.kind_weights to be numbers of 0 or more, at least one above 0"),
        ({"kind_weights": {"isotropic": 2, "anisotropic": -1}}, "blur.kind_weights to be numbers of 0 or more"),
        ({"sigma_range": [0, 0]}, r"blur\.sigma_range to be two numbers above 0, the lower one first, got \[0, 0\]"),
        ({"generalised_beta_range": [0, 1]}, "blur.generalised_beta_range to be two numbers above 0"),
        ({"plateau_beta_range": [2, 1]}, "blur.plateau_beta_range to be two numbers above 0"),
        ({"sinc_probability": 80}, "blur.sinc_probability between 0 and 1, got 80"),
        ({"probability": -1}, "blur.probability between 0 and 1, got -1"),
    ],
)
def test_senseless_blur_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_blur(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma_range": [25]}, r"noise\.sigma_range to be two numbers of 0 or more, the lower one first, got \[25\]"),
        ({"sigma_range": [25, 0]}, r"noise\.sigma_range .* got \[25, 0\]"),
        ({"sigma_range": 25}, r"noise\.sigma_range .* got 25"),
        ({"sigma_range": [0, math.inf]}, r"noise\.sigma_range .* got \[0, inf\]"),
        ({"poisson_weight_range": [-1, 1]}, r"noise\.poisson_weight_range .* got \[-1, 1\]"),
        ({"gaussian_probability": 80}, "noise.gaussian_probability between 0 and 1, got 80"),
        ({"gray_probability": math.nan}, "noise.gray_probability between 0 and 1, got nan"),
    ],
)
def test_senseless_noise_is_refused(changes: dict[str, Any], message: str) -> None:
    sensible = {"gaussian_probability": 0, "sigma_range": [0, 0], "poisson_weight_range": [0, 0], "gray_probability": 1}
    with pytest.raises(ValueError, match=message):
        RandomNoise(**{**sensible, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor_range": [0, 1]}, r"resize\.factor_range to be two numbers above 0, .* got \[0, 1\]"),
        ({"factor_range": ["half", 1]}, r"resize\.factor_range .* got \['half', 1\]"),
        ({"larger_probability": -1}, "resize.larger_probability between 0 and 1, got -1"),
        ({"smaller_probability": 80}, "resize.smaller_probability between 0 and 1, got 80"),
    ],
)
def test_senseless_resize_is_refused(changes: dict[str, Any], message: str) -> None:
    sensible = {"larger_probability": 0.5, "smaller_probability": 0.5, "factor_range": [0.5, 2]}
    with pytest.raises(ValueError, match=message):
        RandomResize(**{**sensible, **changes})


def test_probabilities_above_1_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 1, got 0.6 and 0.7"):
        RandomResize(larger_probability=0.6, smaller_probability=0.7, factor_range=[0.5, 2])
