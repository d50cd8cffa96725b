"""Tests of the building blocks: shapes, ICNR, and bicubic enlargement as a convolution."""

from typing import Literal

import pytest
import torch
from torch import nn

from srgan.networks.blocks import BatchNorm, BicubicUpscale, ConvNorm, ResidualBlock, UpscaleBlock, icnr_
from srgan.pictures.resize import upscale


def test_bias_is_there_exactly_where_no_batch_norm_follows() -> None:
    with_norm, without_norm = ConvNorm(4, norm="batch"), ConvNorm(4, norm="none")
    assert [type(module) for module in with_norm] == [nn.Conv2d, BatchNorm]
    assert [type(module) for module in without_norm] == [nn.Conv2d]
    assert with_norm[0].bias is None
    assert without_norm[0].bias is not None


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torch_s_that_does_not_count(training: bool) -> None:
    ours, theirs = BatchNorm(4).train(training), nn.BatchNorm2d(4).train(training)
    for images in (torch.rand(2, 4, 3, 5), torch.rand(2, 4, 3, 5)):
        assert torch.equal(ours(images), theirs(images))
    theirs.num_batches_tracked.zero_()  # type: ignore[union-attr]
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_residual_block_adds_its_input(norm: Literal["batch", "none"]) -> None:
    block = ResidualBlock(4, norm=norm).eval()
    for parameter in block.conv2.parameters():
        nn.init.zeros_(parameter)
    features = torch.rand(2, 4, 3, 5)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8)])
def test_upscale_block_doubles_height_and_width(size: tuple[int, int]) -> None:
    assert UpscaleBlock(4)(torch.rand(2, 4, *size)).shape == (2, 4, 2 * size[0], 2 * size[1])


@pytest.mark.parametrize("factor", [2, 3])
def test_icnr_makes_the_sub_pixels_of_a_pixel_equal(factor: int) -> None:
    conv = nn.Conv2d(5, 4 * factor**2, 3, padding=1)
    icnr_(conv, factor)
    enlarged = nn.PixelShuffle(factor)(conv(torch.rand(2, 5, 6, 7)))
    first = enlarged[..., ::factor, ::factor]
    assert torch.equal(enlarged, first.repeat_interleave(factor, -1).repeat_interleave(factor, -2))
    assert first.std() > 0  # equal within a pixel, not everywhere
    assert not torch.equal(conv.weight[0], conv.weight[factor**2])


def test_an_upscale_block_without_icnr_does_show_a_checkerboard() -> None:
    enlarged = UpscaleBlock(4)(torch.rand(1, 4, 6, 6))
    assert not torch.allclose(enlarged[..., ::2, ::2], enlarged[..., 1::2, 1::2])


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 2), (5, 3), (24, 17)])
def test_bicubic_upscale_equals_resize(scale: int, size: tuple[int, int]) -> None:
    lr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(BicubicUpscale(scale)(lr), upscale(lr, scale), atol=1e-5, rtol=0)


def test_bicubic_upscale_keeps_each_channel_to_itself() -> None:
    lr = torch.zeros(1, 3, 6, 6)
    lr[:, 1] = torch.rand(6, 6)
    enlarged = BicubicUpscale(4)(lr)
    assert not enlarged[:, [0, 2]].any()
    assert enlarged[:, 1].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_bicubic_upscale_computes_in_its_input_s_type(dtype: torch.dtype) -> None:
    assert BicubicUpscale(2)(torch.rand(1, 3, 4, 4, dtype=dtype)).dtype == dtype


def test_bicubic_upscale_has_no_weights_to_train_or_save() -> None:
    module = BicubicUpscale(4)
    assert not list(module.parameters())
    assert not module.state_dict()
