"""Tests of srgan.data.degradations.real_esrgan: Real-ESRGAN's order of steps, each picture by its own draws."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from srgan.data.degradations import Pass, RandomBlur, RandomNoise, RandomResize, RealDegradation
from srgan.data.degradations.operators import jpegs
from srgan.pictures.resize import downscale

Compose = Callable[..., DictConfig]


def rngs(seeds: list[int]) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def textured(count: int, size: int = 64) -> Tensor:
    coarse = torch.rand(count, 3, size // 4, size // 4, generator=torch.Generator().manual_seed(0))
    return coarse.repeat_interleave(4, -1).repeat_interleave(4, -2)


@pytest.fixture(scope="module")
def settings(compose_into: Compose, tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    settings: DictConfig = compose_into(tmp_path_factory.mktemp("run"), "data/degradation=real").data.degradation
    return settings


@pytest.fixture(scope="module")
def real(settings: DictConfig) -> RealDegradation:
    """With the settings of conf/."""
    degradation: RealDegradation = instantiate(settings, _convert_="all")
    return degradation


def harmless(**changes: Any) -> Pass:
    """A round that does nearly nothing."""
    parts: dict[str, Any] = {
        "blur": RandomBlur(kernel_sizes=[3], kind_weights={"isotropic": 1}, sigma_range=[1, 1], probability=0),
        "resize": RandomResize(larger_probability=0, smaller_probability=0, factor_range=[1, 1]),
        "noise": RandomNoise(
            gaussian_probability=1, sigma_range=[0, 0], poisson_weight_range=[0, 0], gray_probability=0
        ),
        "jpeg_quality_range": [100, 100],
    }
    return Pass(**{**parts, **changes})


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [32, 72])
def test_lr_is_8_bit_of_the_right_size(real: RealDegradation, scale: int, size: int) -> None:
    lr = real(textured(6, size), scale=scale, rngs=rngs([0, 1, 2, 3, 4, 5]))
    assert lr.shape == (6, 3, size // scale, size // scale)
    assert 0 <= lr.min() < lr.max() <= 1
    torch.testing.assert_close(lr * 255, (lr * 255).round(), atol=1e-4, rtol=0)


# options/train_realesrgan_x4plus.yml of Real-ESRGAN's implementation, whose iso and aniso are written out here.
_BLUR: dict[str, Any] = {
    "_target_": "srgan.data.degradations.RandomBlur",
    "kernel_sizes": [7, 9, 11, 13, 15, 17, 19, 21],
    "kind_weights": {
        "isotropic": 0.45,
        "anisotropic": 0.25,
        "generalised_isotropic": 0.12,
        "generalised_anisotropic": 0.03,
        "plateau_isotropic": 0.12,
        "plateau_anisotropic": 0.03,
    },
    "generalised_beta_range": [0.5, 4],
    "plateau_beta_range": [1, 2],
    "sinc_probability": 0.1,
}
_RESIZE: dict[str, Any] = {"_target_": "srgan.data.degradations.RandomResize"}
_NOISE: dict[str, Any] = {
    "_target_": "srgan.data.degradations.RandomNoise",
    "gaussian_probability": 0.5,
    "gray_probability": 0.4,
}
_PASS: dict[str, Any] = {"_target_": "srgan.data.degradations.Pass", "jpeg_quality_range": [30, 95]}
PUBLISHED = {
    "_target_": "srgan.data.degradations.RealDegradation",
    "first": {
        **_PASS,
        "blur": {**_BLUR, "sigma_range": [0.2, 3], "probability": 1},
        "resize": {**_RESIZE, "larger_probability": 0.2, "smaller_probability": 0.7, "factor_range": [0.15, 1.5]},
        "noise": {**_NOISE, "sigma_range": [1, 30], "poisson_weight_range": [0.05, 3]},
    },
    "second": {
        **_PASS,
        "blur": {**_BLUR, "sigma_range": [0.2, 1.5], "probability": 0.8},
        "resize": {**_RESIZE, "larger_probability": 0.3, "smaller_probability": 0.4, "factor_range": [0.3, 1.2]},
        "noise": {**_NOISE, "sigma_range": [1, 25], "poisson_weight_range": [0.05, 2.5]},
    },
    "final_sinc_probability": 0.8,
    "clean_probability": 0.0,
}


def test_settings_are_those_published(settings: DictConfig) -> None:
    assert OmegaConf.to_container(settings, resolve=True) == PUBLISHED


def test_senseless_settings_are_refused() -> None:
    for qualities in ([95, 30], [60, 120], [0, 50]):
        message = rf"jpeg_quality_range to be two numbers from 1 to 100, the lower one first, got \[{qualities[0]}, "
        with pytest.raises(ValueError, match=message):
            harmless(jpeg_quality_range=qualities)
    with pytest.raises(ValueError, match=r"data\.degradation\.final_sinc_probability between 0 and 1, got 80"):
        RealDegradation(first=harmless(), second=harmless(), final_sinc_probability=80, clean_probability=0)


def test_second_noise_is_added_at_the_size_of_lr() -> None:
    # Shrinking to LR's size only afterwards would average it away.
    noise = RandomNoise(gaussian_probability=1, sigma_range=[30, 30], poisson_weight_range=[0, 0], gray_probability=1)
    degradation = RealDegradation(
        first=harmless(), second=harmless(noise=noise), final_sinc_probability=0, clean_probability=0
    )
    lr = degradation(torch.full((8, 3, 128, 128), 0.5), scale=4, rngs=rngs(list(range(8))))
    for each in lr:
        assert each.std() * 255 == pytest.approx(30, rel=0.1)


def test_a_picture_depends_on_its_generator_alone(real: RealDegradation) -> None:
    hr = textured(5)
    lr = real(hr, scale=4, rngs=rngs([0, 1, 2, 3, 4]))
    torch.rand(3)
    np.random.default_rng().random()
    assert torch.equal(real(hr, scale=4, rngs=rngs([0, 1, 2, 3, 4])), lr)
    others = real(hr.flip(0)[:3], scale=4, rngs=rngs([4, 3, 2]))  # another batch
    assert torch.equal(others.flip(0), lr[2:])
    assert not torch.equal(real(hr, scale=4, rngs=rngs([10, 11, 12, 13, 14])), lr)


def test_pictures_of_a_batch_are_spoilt_differently(real: RealDegradation) -> None:
    lr = real(textured(1).expand(8, -1, -1, -1), scale=4, rngs=rngs(list(range(8))))
    assert len({each.numpy().tobytes() for each in lr}) == 8


def test_nothing_drawn_leaves_a_picture_merely_shrunk() -> None:
    degradation = RealDegradation(first=harmless(), second=harmless(), final_sinc_probability=0, clean_probability=0)
    coarse = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    hr = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")
    expected = torch.nn.functional.avg_pool2d(hr, 4)
    lr = degradation(hr, scale=4, rngs=rngs([0, 1, 2, 3]))
    assert (lr - expected).abs().mean() < 2 / 255  # colour loses resolution in JPEG, even of the best quality


def test_pictures_stay_where_they_are(real: RealDegradation) -> None:
    # The centre of a blob, over many draws: a shift of half a pixel anywhere would show.
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    blob = torch.exp(-((y - 39.5) ** 2 + (x - 55.5) ** 2) / (2 * 12**2)).expand(64, 3, -1, -1)
    mean = real(blob, scale=4, rngs=rngs(list(range(64)))).mean(dim=(0, 1))
    weights = (mean - mean.median()).clamp_min(0)
    centre = [float((weights.sum(dim) * torch.arange(24.0)).sum() / weights.sum()) for dim in (1, 0)]
    assert centre == pytest.approx([(39.5 - 1.5) / 4, (55.5 - 1.5) / 4], abs=0.15)


@pytest.mark.parametrize("part", ["first", "second"])
@pytest.mark.parametrize(
    "change",
    [
        {"blur": RandomBlur(kernel_sizes=[21], kind_weights={"isotropic": 1}, sigma_range=[6, 6])},
        {"resize": RandomResize(larger_probability=0, smaller_probability=1, factor_range=[0.2, 0.2])},
        {
            "noise": RandomNoise(
                gaussian_probability=1, sigma_range=[60, 60], poisson_weight_range=[0, 0], gray_probability=0
            )
        },
        {"jpeg_quality_range": [2, 2]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_step_of_both_rounds_counts(part: str, change: dict[str, Any]) -> None:
    hr = textured(2)
    plain = {"first": harmless(), "second": harmless()}
    changed = {**plain, part: harmless(**change)}
    lr, other = (
        RealDegradation(**rounds, final_sinc_probability=0, clean_probability=0)(hr, scale=4, rngs=rngs([0, 1]))
        for rounds in (plain, changed)
    )
    assert (lr - other).abs().mean() > 0.02


@pytest.mark.parametrize(("probability", "least", "most"), [(0.0, 0.0, 0.0), (0.8, 0.5, 0.85)])
def test_final_sinc_rings_at_an_edge(probability: float, least: float, most: float) -> None:
    hr = torch.full((40, 3, 96, 96), 0.3)
    hr[..., 48:] = 0.7
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"isotropic": 1}, sigma_range=[1, 1], probability=0)
    degradation = RealDegradation(
        first=harmless(), second=harmless(blur=blur), final_sinc_probability=probability, clean_probability=0
    )
    lr = degradation(hr, scale=4, rngs=rngs(list(range(40))))
    rings = lr.amin(dim=(1, 2, 3)) < 0.28
    assert least <= rings.float().mean() <= most


def test_final_sinc_of_a_wide_kernel_lets_waves_of_8_pixels_pass() -> None:
    # They are below pi / 3, from where the paper draws cutoffs, but above pi / 5, where those of the rounds begin.
    wave = 0.5 + 0.3 * torch.sin(2 * math.pi / 32 * (torch.arange(128) + 0.5))
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"isotropic": 1}, sigma_range=[1, 1], probability=0)
    degradation = RealDegradation(
        first=harmless(), second=harmless(blur=blur), final_sinc_probability=1, clean_probability=0
    )
    lr = degradation(wave.expand(100, 3, 128, -1), scale=4, rngs=rngs(list(range(100))))
    assert lr[..., 8:24].std(dim=(1, 2, 3)).min() > 0.8 * wave.std()


def test_jpeg_comes_last_for_half_of_the_pictures() -> None:
    # The second round's size differs from LR's, so that only squares of a JPEG that came last lie on LR's grid.
    second = harmless(
        resize=RandomResize(larger_probability=1, smaller_probability=0, factor_range=[1, 1.2]),
        jpeg_quality_range=[10, 10],
    )
    lr = RealDegradation(first=harmless(), second=second, final_sinc_probability=0, clean_probability=0)(
        textured(60, 128), scale=4, rngs=rngs(list(range(60)))
    )
    again = torch.cat([jpegs([each[None]], [10])[0] for each in lr])
    unchanged = (again - lr).abs().mean(dim=(1, 2, 3)) < 0.01
    assert unchanged.float().mean() == pytest.approx(0.5, abs=0.2)


def test_clean_images_are_bicubic_alone() -> None:
    hr = textured(40)
    noise = RandomNoise(gaussian_probability=1, sigma_range=[9, 9], poisson_weight_range=[0, 0], gray_probability=0)
    degradation = RealDegradation(
        first=harmless(), second=harmless(noise=noise), final_sinc_probability=0, clean_probability=0.25
    )
    lr = degradation(hr, scale=4, rngs=rngs(list(range(40))))
    clean = (lr - downscale(hr, 4).clamp(0, 1)).abs().amax(dim=(1, 2, 3)) < 0.003  # rounded to 8 bits
    assert clean.float().mean() == pytest.approx(0.25, abs=0.15)


def test_clean_images_do_not_change_the_others() -> None:
    noise = RandomNoise(gaussian_probability=1, sigma_range=[9, 9], poisson_weight_range=[0, 0], gray_probability=0)
    hr = textured(12)
    never, some = (
        RealDegradation(
            first=harmless(), second=harmless(noise=noise), final_sinc_probability=0, clean_probability=share
        )(hr, scale=4, rngs=rngs(list(range(12))))
        for share in (0, 0.5)
    )
    same = (some == never).all(dim=(1, 2, 3))
    clean = (some - downscale(hr, 4).clamp(0, 1)).abs().amax(dim=(1, 2, 3)) < 0.003
    assert same.any()
    assert clean.any()
    assert (same ^ clean).all()
