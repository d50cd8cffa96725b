"""Tests of the fused tail: the same numbers and gradients as the paper's order of layers."""

import pytest
import torch

from srgan.networks.blocks import UpscaleBlock
from srgan.networks.tail import UpscaleTail

SIZES = [(1, 1), (3, 5), (1, 17), (24, 24)]


@pytest.fixture
def tail() -> UpscaleTail:
    torch.manual_seed(0)
    return UpscaleTail(4).double()


def _paper(tail: UpscaleTail, features: torch.Tensor) -> torch.Tensor:
    image: torch.Tensor = tail.output(tail.upscale(features))
    return image


@pytest.mark.parametrize("size", SIZES)
def test_output_equals_the_paper_s_order_of_layers(tail: UpscaleTail, size: tuple[int, int]) -> None:
    features = torch.randn(2, 4, *size, dtype=torch.float64)
    image = tail(features)
    assert image.shape == (2, 3, 2 * size[0], 2 * size[1])
    torch.testing.assert_close(image, _paper(tail, features), atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_equal_the_paper_s_order_of_layers(tail: UpscaleTail, size: tuple[int, int]) -> None:
    features = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 3, 2 * size[0], 2 * size[1], dtype=torch.float64)
    inputs = [features, *tail.parameters()]
    fused = torch.autograd.grad((tail(features) * target).sum(), inputs)
    paper = torch.autograd.grad((_paper(tail, features) * target).sum(), inputs)
    for one, other in zip(fused, paper, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-12)
    assert all(gradient.any() for gradient in fused)


def test_without_a_bias_the_result_is_the_same(tail: UpscaleTail) -> None:
    tail.output.register_parameter("bias", None)
    features = torch.randn(1, 4, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(tail(features), _paper(tail, features), atol=1e-12, rtol=0)


def test_state_is_that_of_the_paper_s_two_layers() -> None:
    names = set(UpscaleTail(4).state_dict())
    block = {f"upscale.{name}" for name in UpscaleBlock(4).state_dict()}
    assert names == block | {"output.weight", "output.bias"}
    assert UpscaleTail(64).output.weight.shape == (3, 64, 9, 9)
