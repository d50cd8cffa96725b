"""Tests of the discriminator: its size, the crops it takes, and what it refuses."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from srgan.networks import Discriminator
from srgan.networks.blocks import BatchNorm


def test_the_paper_s_discriminator_has_23_563_649_parameters() -> None:
    maps = [3, 64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(9 * ins * outs for ins, outs in pairwise(maps)) + 64  # the first one alone has a bias
    batch_norms = 2 * sum(maps[2:])
    dense = (512 * 6 * 6 * 1024 + 1024) + (1024 + 1)
    assert convolutions + batch_norms + dense == 23_563_649
    assert sum(parameter.numel() for parameter in Discriminator().parameters()) == 23_563_649


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (96, 96), (512, 512), (32, 200)])
def test_any_crop_of_32_pixels_or_more_gives_one_logit(size: tuple[int, int]) -> None:
    discriminator = Discriminator(channels=2)
    assert discriminator(torch.rand(2, 3, *size)).shape == (2, 1)
    assert discriminator.eval()(torch.rand(1, 3, *size)).shape == (1, 1)


def test_96_pixel_crops_reach_the_dense_layer_unpooled() -> None:
    discriminator = Discriminator(channels=2)
    assert discriminator.features(torch.rand(1, 3, 96, 96)).shape == (1, 16, 6, 6)


@pytest.mark.parametrize("size", [(2, 2), (3, 13), (6, 7), (12, 6), (32, 8)])
def test_other_crops_are_averaged_as_torch_averages(size: tuple[int, int]) -> None:
    pool, features = Discriminator(channels=2).classifier[0], torch.rand(2, 5, *size)
    torch.testing.assert_close(pool(features), nn.functional.adaptive_avg_pool2d(features, 6))


def test_output_is_a_logit_not_a_probability() -> None:
    torch.manual_seed(0)
    assert Discriminator(channels=2)(torch.rand(16, 3, 32, 32)).min() < 0


def test_batch_norm_follows_all_but_the_first_convolution() -> None:
    layers = list(Discriminator(channels=2).features)
    after = [type(layers[index + 1]) for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    assert after == [nn.LeakyReLU, *[BatchNorm] * 7]
    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_gradient_reaches_the_picture_and_every_parameter() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(channels=2)
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    discriminator(images).square().mean().backward()
    assert images.grad is not None
    assert images.grad.any()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in discriminator.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 31, 96), (1, 3, 96, 31), (1, 1, 96, 96), (3, 96, 96)])
def test_wrong_shapes_raise_and_are_named(shape: tuple[int, ...]) -> None:
    message = r"sides of 32 or more, got \(" + str(shape)[1:-1] + r"\)\. Set data\.hr_crop_size"
    with pytest.raises(ValueError, match=message):
        Discriminator(channels=2)(torch.rand(shape))


def test_channels_below_1_raise() -> None:
    with pytest.raises(ValueError, match="Expected channels of 1 or more, got 0"):
        Discriminator(channels=0)
