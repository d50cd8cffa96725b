"""Tests of the fast convolution: the same numbers as torch's, forwards and backwards, on awkward sizes."""

import pytest
import torch
from torch import nn

from srgan.losses import ContentLoss
from srgan.losses.winograd import FrozenConv3x3, suits


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 3), (12, 17), (7, 30)])
@pytest.mark.parametrize(("channels", "out_channels", "bias"), [(3, 5, True), (8, 2, False)])
def test_it_equals_the_layer_and_so_does_its_gradient(
    size: tuple[int, int], channels: int, out_channels: int, bias: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    features = torch.randn(2, channels, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, out_channels, *size, dtype=torch.float64)
    expected, fast = conv(features), FrozenConv3x3(conv)(features)
    torch.testing.assert_close(fast, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad((output * weights).sum(), features)[0] for output in (fast, expected))
    )


def test_rounding_in_single_precision_stays_small() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 256, 3, padding=1).requires_grad_(False)
    features = torch.randn(1, 128, 13, 14)
    exact = conv.double()(features.double())
    error = (FrozenConv3x3(conv.float())(features) - exact).abs().max() / exact.abs().max()
    assert error < 5e-5


@pytest.mark.parametrize(
    ("conv", "size", "suited"),
    [
        (nn.Conv2d(256, 256, 3, padding=1), 12, True),
        (nn.Conv2d(128, 128, 3, padding=1), 12, False),
        (nn.Conv2d(256, 256, 3, padding=1), 11, False),
        (nn.Conv2d(256, 256, 3, stride=2, padding=1), 12, False),
        (nn.Conv2d(256, 256, 1), 12, False),
        (nn.ReLU(), 12, False),
    ],
)
def test_only_wide_3x3_layers_of_some_size_are_computed_so(conv: nn.Module, size: int, suited: bool) -> None:
    assert suits(conv, torch.zeros(1, 256, size, size)) is suited
    assert not suits(conv, torch.zeros(1, 256, size, size, dtype=torch.float64))


def test_the_content_loss_is_the_same_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = ContentLoss(network="vgg16", layer="vgg43", weights="random")
    sr, hr = torch.rand(1, 3, 100, 108, requires_grad=True), torch.rand(1, 3, 100, 108)
    fast = content(sr, hr)
    fast_gradient = torch.autograd.grad(fast, sr)[0]
    assert content._fast_layers
    monkeypatch.setattr("srgan.losses.content.suits", lambda *_: False)
    direct = content(sr, hr)
    torch.testing.assert_close(fast, direct, rtol=1e-4, atol=0)
    scale = torch.autograd.grad(direct, sr)[0].abs().max()
    torch.testing.assert_close(
        fast_gradient, torch.autograd.grad(content(sr, hr), sr)[0], rtol=0, atol=1e-3 * float(scale)
    )
