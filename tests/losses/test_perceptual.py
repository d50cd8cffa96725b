"""Tests of LPIPS and DISTS as losses: the values are torchmetrics', and they can be trained on."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.image import dists, lpips

from srgan.losses import PerceptualLoss
from srgan.losses.content import _build, _fill_at_random
from srgan.losses.perceptual import Metric


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    hr = torch.rand(2, 3, 52, 70, generator=noise)
    return (hr + 0.1 * torch.randn(hr.shape, generator=noise)).clamp(0, 1), hr


def random_vgg16() -> nn.Sequential:
    features = _build("vgg16")
    _fill_at_random(features)
    return features


def torchmetrics_lpips(sr: Tensor, hr: Tensor) -> Tensor:
    reference = lpips._LPIPS(pretrained=True, net="vgg", pnet_rand=True)
    values = iter(random_vgg16().state_dict().values())
    reference.net.load_state_dict({name: next(values) for name in reference.net.state_dict()})
    result: Tensor = reference(sr, hr, normalize=True).mean()
    return result


def torchmetrics_dists(sr: Tensor, hr: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(dists, "vgg16", lambda **_: SimpleNamespace(features=random_vgg16()))
    original = torch.load
    monkeypatch.setattr(torch, "load", lambda file: original(file, map_location="cpu", weights_only=True))
    result: Tensor = dists.DISTSNetwork()(sr, hr).mean()
    return result


@pytest.mark.parametrize("metric", ["lpips", "dists"])
def test_the_values_are_those_of_torchmetrics(
    images: tuple[Tensor, Tensor], metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = PerceptualLoss(metric=metric, weights="random")
    got = loss(*images)
    assert torch.allclose(loss.prepare(images[1])(images[0]), got)
    expected = torchmetrics_lpips(*images) if metric == "lpips" else torchmetrics_dists(*images, monkeypatch)
    assert torch.allclose(got, expected.float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("metric", ["lpips", "dists"])
def test_equal_images_are_the_least_and_others_get_closer(images: tuple[Tensor, Tensor], metric: Metric) -> None:
    loss = PerceptualLoss(metric=metric, weights="random")
    sr, hr = images
    assert loss(hr, hr).item() == pytest.approx(0, abs=1e-5)
    sr = sr.clone().requires_grad_()
    before = loss(sr, hr)
    before.backward()
    assert sr.grad is not None
    assert sr.grad.isfinite().all()
    moved = sr.detach() - 0.01 * sr.grad / sr.grad.abs().max()
    assert loss(moved, hr) < before
    assert not list(loss.parameters())
    assert not loss.state_dict()  # frozen and in the package: no part of a checkpoint


def test_a_flat_image_has_a_finite_gradient() -> None:
    for metric in ("lpips", "dists"):
        sr = torch.zeros(1, 3, 48, 48, requires_grad=True)
        PerceptualLoss(metric=metric, weights="random")(sr, torch.zeros_like(sr)).backward()
        assert sr.grad is not None
        assert sr.grad.isfinite().all()


def test_weights_are_taken_from_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({f"features.{name}": value for name, value in random_vgg16().state_dict().items()}, file)
    loss = PerceptualLoss(metric="dists", weights=file)
    assert loss.description == f"DISTS, weights: {file}"


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="metric to be one of lpips, dists, got 'ssim'"):
        PerceptualLoss(metric="ssim")  # type: ignore[arg-type]
