"""Tests of the U-Net discriminator: Real-ESRGAN's shape, a verdict a pixel, and bounded layers."""

import math
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from srgan.networks import UNetDiscriminator
from srgan.networks.unet_discriminator import _doubled


def test_layers_are_those_of_real_esrgan() -> None:
    # name → shape of the weight, as in the published file RealESRGAN_x4plus_netD.pth
    published = {
        "conv0": (64, 3, 3, 3),
        "conv1": (128, 64, 4, 4),
        "conv2": (256, 128, 4, 4),
        "conv3": (512, 256, 4, 4),
        "conv4": (256, 512, 3, 3),
        "conv5": (128, 256, 3, 3),
        "conv6": (64, 128, 3, 3),
        "conv7": (64, 64, 3, 3),
        "conv8": (64, 64, 3, 3),
        "conv9": (1, 64, 3, 3),
    }
    discriminator = UNetDiscriminator()
    assert {
        name: tuple(cast("Tensor", discriminator.get_submodule(name).weight).shape) for name in published
    } == published
    assert [name for name, _ in discriminator.named_parameters() if name.endswith("bias")] == [
        "conv0.bias",
        "conv9.bias",
    ]
    parameters = sum(math.prod(shape) for shape in published.values()) + 64 + 1
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == parameters


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (40, 104)])
def test_each_pixel_gets_a_logit(size: tuple[int, int]) -> None:
    assert UNetDiscriminator(channels=2)(torch.rand(2, 3, *size)).shape == (2, 1, *size)


def test_spectral_norm_bounds_all_inner_layers() -> None:
    torch.manual_seed(0)
    discriminator = UNetDiscriminator(channels=4)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(50)
    for _ in range(50):  # power iterations
        discriminator(torch.rand(1, 3, 32, 32))
    discriminator.eval()
    for name in (f"conv{index}" for index in range(10)):
        weight = cast("Tensor", discriminator.get_submodule(name).weight)
        norm = torch.linalg.matrix_norm(weight.flatten(1), ord=2).item()
        assert (norm == pytest.approx(1, abs=0.02)) == (name not in ("conv0", "conv9")), name


def test_a_verdict_depends_on_its_own_pixel() -> None:
    torch.manual_seed(0)
    discriminator = UNetDiscriminator(channels=2).eval()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    discriminator(images)[0, 0, 20, 41].backward()
    assert images.grad is not None
    assert images.grad[0, :, 20, 41].any()
    assert images.grad.abs().sum(dim=1).argmax() // 64 in range(15, 26)  # and most on those near it


@pytest.mark.parametrize("shape", [(1, 3, 24, 96), (1, 3, 100, 96), (1, 1, 96, 96), (3, 96, 96)])
def test_wrong_shapes_raise_and_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"multiples of 8, got \(" + str(shape)[1:-1] + r"\)"):
        UNetDiscriminator(channels=2)(torch.rand(shape))


def test_channels_below_1_raise() -> None:
    with pytest.raises(ValueError, match="Expected channels of 1 or more, got 0"):
        UNetDiscriminator(channels=0)


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (1, 2)])
def test_doubling_is_bilinear_and_so_is_its_gradient(size: tuple[int, int]) -> None:
    features = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    doubled = _doubled(features)
    expected = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubled, expected)
    slopes = torch.rand_like(expected)
    torch.testing.assert_close(
        *(torch.autograd.grad((each * slopes).sum(), features)[0] for each in (doubled, expected))
    )
