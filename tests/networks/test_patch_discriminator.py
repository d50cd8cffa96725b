"""Tests of the patch discriminator: pix2pix's shape, and verdicts that see 70 x 70 pixels each."""

import pytest
import torch
from torch import nn

from srgan.networks import PatchDiscriminator


def test_layers_are_those_of_pix2pix() -> None:
    # Isola et al. 2017, appendix 6.1.2: C64-C128-C256-C512 and the last layer; kernels of 4, BatchNorm not on the first
    layers = [layer for layer in PatchDiscriminator().modules() if not isinstance(layer, nn.Sequential)][1:]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(conv.in_channels, conv.out_channels, conv.stride[0]) for conv in convolutions] == [
        (3, 64, 2),
        (64, 128, 2),
        (128, 256, 2),
        (256, 512, 1),
        (512, 1, 1),
    ]
    assert {(conv.kernel_size, conv.padding) for conv in convolutions} == {((4, 4), (1, 1))}
    kinds = "".join(type(layer).__name__[0] for layer in layers)
    assert kinds == "CL" + 3 * "CBL" + "C"
    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(("size", "verdicts"), [((32, 32), (2, 2)), ((96, 96), (10, 10)), ((70, 104), (6, 11))])
def test_each_patch_gets_a_logit(size: tuple[int, int], verdicts: tuple[int, int]) -> None:
    assert PatchDiscriminator(channels=2)(torch.rand(2, 3, *size)).shape == (2, 1, *verdicts)


def test_a_verdict_sees_70_by_70_pixels() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(channels=2).eval()
    images = torch.rand(1, 3, 160, 160, requires_grad=True)
    discriminator(images)[0, 0, 9, 9].backward()
    assert images.grad is not None
    seen = images.grad[0].abs().sum(dim=0) > 0
    for dim in (0, 1):
        places = seen.any(dim=dim).nonzero().flatten()
        assert int(places[-1] - places[0]) + 1 == 70


@pytest.mark.parametrize("shape", [(1, 3, 31, 96), (1, 1, 96, 96), (3, 96, 96)])
def test_wrong_shapes_raise_and_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"sides of 32 or more, got \(" + str(shape)[1:-1] + r"\)"):
        PatchDiscriminator(channels=2)(torch.rand(shape))


def test_channels_below_1_raise() -> None:
    with pytest.raises(ValueError, match="Expected channels of 1 or more, got 0"):
        PatchDiscriminator(channels=0)
