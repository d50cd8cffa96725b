"""Tests of the fast convolution: the same numbers as torch's, forwards and backwards, on awkward sizes."""

import pytest
import torch
from torch import nn

from srgan.losses import ContentLoss
from srgan.losses.winograd import FrozenConv2d, speed_up


@pytest.fixture
def at_all_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute by Winograd's algorithm also where it does not pay."""
    monkeypatch.setattr(FrozenConv2d, "_pays", lambda *_: True)


@pytest.mark.usefixtures("at_all_sizes")
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 3), (12, 17), (7, 30)])
@pytest.mark.parametrize(("channels", "out_channels", "bias"), [(3, 5, True), (8, 2, False)])
def test_it_equals_the_layer_and_so_does_its_gradient(
    size: tuple[int, int], channels: int, out_channels: int, bias: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    features = torch.randn(2, channels, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, out_channels, *size, dtype=torch.float64)
    expected, fast = conv(features), FrozenConv2d.of(conv)(features)
    torch.testing.assert_close(fast, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad((output * weights).sum(), features)[0] for output in (fast, expected))
    )


@pytest.mark.usefixtures("at_all_sizes")
def test_rounding_in_single_precision_stays_small() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 256, 3, padding=1).requires_grad_(False)
    features = torch.randn(1, 128, 13, 14)
    exact = conv.double()(features.double())
    error = (FrozenConv2d.of(conv.float())(features) - exact).abs().max() / exact.abs().max()
    assert error < 5e-5


@pytest.mark.parametrize(
    ("layer", "is_fast"),
    [
        (nn.Conv2d(128, 256, 3, padding=1), True),
        (nn.Conv2d(128, 128, 3, padding=1), False),
        (nn.Conv2d(256, 256, 3, stride=2, padding=1), False),
        (nn.Conv2d(256, 256, 3), False),
        (nn.Conv2d(256, 256, 3, padding=1, groups=2), False),
        (nn.Conv2d(256, 256, 1), False),
        (nn.ReLU(), False),
    ],
)
def test_only_wide_3x3_layers_are_exchanged(layer: nn.Module, is_fast: bool) -> None:
    (exchanged,) = speed_up(nn.Sequential(layer))
    assert isinstance(exchanged, FrozenConv2d) is is_fast
    assert list(map(id, exchanged.parameters())) == list(map(id, layer.parameters()))


@pytest.mark.parametrize(("size", "dtype"), [(11, torch.float32), (12, torch.float64)])
def test_elsewhere_it_is_torchs_own(size: int, dtype: torch.dtype) -> None:
    conv = nn.Conv2d(128, 256, 3, padding=1).to(dtype).requires_grad_(False)
    features = torch.rand(1, 128, size, size, dtype=dtype)
    assert torch.equal(FrozenConv2d.of(conv)(features), conv(features))


def test_a_layer_that_is_moved_follows_its_weights() -> None:
    layer = FrozenConv2d.of(nn.Conv2d(128, 256, 3, padding=1))
    features = torch.rand(1, 128, 12, 12)
    before = layer(features)
    layer._apply(lambda tensor: 2 * tensor)  # as .to() does, with other numbers
    torch.testing.assert_close(layer(features), 2 * before)


def test_training_goes_on_from_a_validation() -> None:
    layer = FrozenConv2d.of(nn.Conv2d(128, 256, 3, padding=1))
    with torch.inference_mode():
        layer(torch.rand(1, 128, 12, 12))
    features = torch.rand(1, 128, 12, 12, requires_grad=True)
    assert torch.autograd.grad(layer(features).sum(), features)[0].any()


def test_the_content_loss_is_the_same_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)  # of one seed in twelve a ReLU's input is so near 0 that rounding turns it over
    content = ContentLoss(network="vgg16", layer="vgg43", weights="random")
    sr, hr = torch.rand(1, 3, 100, 108, requires_grad=True), torch.rand(1, 3, 100, 108)
    fast = content(sr, hr)
    fast_gradient = torch.autograd.grad(fast, sr)[0]
    monkeypatch.setattr(FrozenConv2d, "_pays", lambda *_: False)
    direct = content(sr, hr)
    direct_gradient = torch.autograd.grad(direct, sr)[0]
    assert not torch.equal(fast_gradient, direct_gradient)  # else this compares one way with itself
    torch.testing.assert_close(fast, direct, rtol=1e-4, atol=0)
    torch.testing.assert_close(fast_gradient, direct_gradient, rtol=0, atol=1e-3 * float(direct_gradient.abs().max()))
