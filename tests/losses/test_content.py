"""Tests of the content loss: the right layer, the right normalisation, and a VGG that no checkpoint carries."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.transforms.functional import normalize

from srgan.losses import ContentLoss
from srgan.losses.content import layer_depth


@pytest.fixture(scope="module")
def content() -> ContentLoss:
    return ContentLoss(network="vgg16", layer="vgg22", weights="random")


@pytest.fixture(scope="module")
def vgg19() -> nn.Sequential:
    with torch.device("meta"):
        features: nn.Sequential = models.vgg19(init_weights=False).features
    return features


def _pictures(*, seed: int, size: int = 16) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("layer", "before_activation", "depth"),
    [("vgg54", False, 36), ("vgg54", True, 35), ("vgg22", False, 9), ("vgg22", True, 8), ("vgg11", True, 1)],
)
def test_layers_are_the_paper_s(vgg19: nn.Sequential, layer: str, before_activation: bool, depth: int) -> None:
    assert layer_depth(vgg19, layer, before_activation=before_activation) == depth
    assert isinstance(vgg19[depth - 1], nn.Conv2d if before_activation else nn.ReLU)


@pytest.mark.parametrize("layer", ["vgg23", "vgg55", "vgg61", "vgg50", "vgg5", "conv54", "", "vgg544"])
def test_a_layer_that_the_network_lacks_raises(vgg19: nn.Sequential, layer: str) -> None:
    with pytest.raises(ValueError, match=f"Expected layer to name a convolution.*got '{layer}'"):
        layer_depth(vgg19, layer, before_activation=False)


def test_a_missing_layer_names_the_deepest_one_available() -> None:
    with pytest.raises(ValueError, match=r"vgg53.*got 'vgg54'"):
        ContentLoss(network="vgg16", layer="vgg54", weights="random")


def test_an_unknown_network_raises() -> None:
    unknown: Any = "resnet50"
    with pytest.raises(ValueError, match="Expected network to be one of vgg16, vgg19, got 'resnet50'"):
        ContentLoss(network=unknown, weights="random")


@pytest.mark.parametrize(("layer", "channels", "stride"), [("vgg54", 512, 16), ("vgg22", 128, 2)])
@pytest.mark.parametrize("before_activation", [False, True])
def test_feature_maps_have_the_layer_s_shape(layer: str, channels: int, stride: int, before_activation: bool) -> None:
    loss = ContentLoss(layer=layer, before_activation=before_activation, weights="random")
    (features,) = loss.extract(_pictures(seed=0, size=32))
    assert features.shape == (2, channels, 32 // stride, 32 // stride)
    assert bool((features < 0).any()) == before_activation
    assert features.std() > 1e-3  # the signal has not died on the way


def test_equal_images_cost_nothing_and_different_ones_do(content: ContentLoss) -> None:
    hr = _pictures(seed=0)
    assert content(hr, hr).item() == 0
    assert content(_pictures(seed=1), hr).item() > 0


def test_loss_is_the_mse_of_scaled_features_of_normalised_rgb(content: ContentLoss) -> None:
    with torch.device("meta"):
        vgg = models.vgg16(init_weights=False).features[:9].eval()
    vgg.to_empty(device="cpu").load_state_dict(content._features[0].state_dict())
    sr, hr = _pictures(seed=0), _pictures(seed=1)
    by_hand = [vgg(normalize(p, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])) / 12.75 for p in (sr, hr)]
    torch.testing.assert_close(content.extract(sr)[0], by_hand[0])
    torch.testing.assert_close(content(sr, hr), (by_hand[0] - by_hand[1]).square().mean())


def test_feature_scale_multiplies_the_features() -> None:
    one, three = (
        ContentLoss(network="vgg16", layer="vgg11", weights="random", feature_scale=scale) for scale in (1.0, 3.0)
    )
    sr, hr = _pictures(seed=0), _pictures(seed=1)
    torch.testing.assert_close(three(sr, hr), 9 * one(sr, hr))


def test_l1_is_the_mean_absolute_difference_of_features() -> None:
    content = ContentLoss(network="vgg16", layer="vgg22", weights="random", criterion="l1")
    sr, hr = _pictures(seed=0), _pictures(seed=1)
    features = [content.extract(pictures)[0] for pictures in (sr, hr)]
    torch.testing.assert_close(content(sr, hr), (features[0] - features[1]).abs().mean())
    assert content.description.startswith("mean absolute difference of vgg16 vgg22")


def test_an_unknown_criterion_raises() -> None:
    unknown: Any = "l2"
    with pytest.raises(ValueError, match="Expected criterion to be one of mse, l1, got 'l2'"):
        ContentLoss(network="vgg16", weights="random", criterion=unknown)


@pytest.mark.parametrize(("full_precision", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_half_precision_is_used_only_where_allowed(full_precision: bool, dtype: torch.dtype) -> None:
    content = ContentLoss(network="vgg16", layer="vgg22", weights="random", full_precision=full_precision)
    sr, hr = _pictures(seed=0), _pictures(seed=1)
    expected = content(sr, hr)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert content.extract(sr)[0].dtype == dtype
        distance = content(sr, hr)
    assert distance.dtype == torch.float32
    torch.testing.assert_close(distance, expected, rtol=0.02, atol=0)


def test_several_layers_make_their_weighted_sum() -> None:
    def build(layer: str | dict[str, float]) -> ContentLoss:
        return ContentLoss(network="vgg16", layer=layer, weights="random", before_activation=True)

    both, sr, hr = build({"vgg22": 0.5, "vgg11": 2.0}), _pictures(seed=0), _pictures(seed=1)
    torch.testing.assert_close(both(sr, hr), 0.5 * build("vgg22")(sr, hr) + 2 * build("vgg11")(sr, hr))


@pytest.mark.parametrize("layer", [{}, {"vgg11": 0.0}])
def test_layers_without_weight_raise(layer: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Expected a layer, or layers with a weight above 0 each"):
        ContentLoss(network="vgg16", layer=layer, weights="random")


def test_gradient_reaches_sr_and_not_hr_nor_the_network(content: ContentLoss) -> None:
    sr, hr = _pictures(seed=0).requires_grad_(), _pictures(seed=1).requires_grad_()
    content(sr, hr).backward()
    assert sr.grad is not None
    assert sr.grad.any()
    assert hr.grad is None
    assert all(parameter.grad is None for parameter in content._features[0].parameters())


def test_the_network_is_in_no_checkpoint_and_no_optimizer(content: ContentLoss) -> None:
    parent = nn.ModuleDict({"content": content})
    assert not parent.state_dict()
    assert not list(parent.parameters())


def test_the_network_moves_along_and_stays_in_evaluation_mode() -> None:
    content = ContentLoss(network="vgg16", layer="vgg11", weights="random")
    sr, hr = _pictures(seed=0), _pictures(seed=1)
    expected = content(sr, hr)
    parent = nn.ModuleDict({"content": content}).to(torch.float64).train()
    assert not content._features[0].training
    assert parent["content"](sr.double(), hr.double()).dtype == torch.float64
    torch.testing.assert_close(parent["content"](sr.double(), hr.double()).float(), expected)


def test_random_weights_are_fixed_and_leave_the_runs_rng_alone() -> None:
    pictures = _pictures(seed=0)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = ContentLoss(network="vgg16", layer="vgg22", weights="random")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    other = ContentLoss(network="vgg16", layer="vgg22", weights="random")
    assert torch.equal(one.extract(pictures)[0], other.extract(pictures)[0])
    assert one.weights_used == other.weights_used == "random"


def test_prepare_measures_the_same_and_sees_the_original_once(
    content: ContentLoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    hr, one, other = (_pictures(seed=seed) for seed in range(3))
    expected = [content(one, hr), content(other, hr)]
    seen: list[torch.Tensor] = []
    extract = content.extract

    def counted(images: torch.Tensor) -> list[torch.Tensor]:
        seen.append(images)
        return extract(images)

    monkeypatch.setattr(content, "extract", counted)
    distance = content.prepare(hr)
    torch.testing.assert_close([distance(one), distance(other)], expected)
    assert len(seen) == 3
