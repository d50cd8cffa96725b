"""Tests of where VGG weights come from: download, cache, file or random, and that no file is executed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from srgan.losses import ContentLoss
from srgan.losses.vgg_weights import RandomFeaturesWarning

NETWORK: Any = "vgg16"
CACHED = "vgg16-397923af.pth"  # torchvision's name for it


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.fuse,)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    layers = ContentLoss(network=NETWORK, layer="vgg53", weights="random")._features[0].state_dict()
    return {f"features.{name}": torch.full_like(value, 0.01) for name, value in layers.items()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download cache on a machine without a network."""

    def unreachable(url: str, *_: object, **__: object) -> NoReturn:
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def _load(weights: str | Path) -> ContentLoss:
    return ContentLoss(network=NETWORK, layer="vgg22", weights=weights)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file(tmp_path: Path, state: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"vgg{suffix}"
    with_classifier = {**state, "classifier.0.weight": torch.zeros(3)}
    save_file(with_classifier, path) if suffix == ".safetensors" else torch.save(with_classifier, path)
    content = _load(path)
    assert content.weights_used == str(path)
    assert all((parameter == 0.01).all() for parameter in content._features[0].parameters())
    assert not any(parameter.requires_grad for parameter in content._features[0].parameters())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"imagenet, random, imagenet-or-random or a file, got '.*no\.pth'.*not exist"):
        _load(tmp_path / "no.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("size", [0, 5, 5000])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str, size: int) -> None:
    path = tmp_path / f"vgg{suffix}"
    tensors = {"features.0.weight": torch.zeros(64, 3, 3, 3)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"Expected VGG weights .* in .*vgg\{suffix}, but it cannot be read"):
        _load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: {k: v for k, v in state.items() if k != "features.7.bias"},
            "'7.bias' is missing or has another shape .1 of 26",
        ),
        (lambda state: {**state, "features.0.weight": torch.zeros(2)}, "'0.weight' is missing or has another shape"),
        (lambda state: {name.removeprefix("features."): value for name, value in state.items()}, "26 of 26 tensors"),
        (lambda state: {"state_dict": state, "epoch": 3}, "26 of 26 tensors"),
        (lambda state: list(state.values()), "Expected a state dict in .*vgg.pth, got list"),
    ],
)
def test_another_layout_is_explained(
    tmp_path: Path, state: dict[str, Tensor], change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    torch.save(change(state), tmp_path / "vgg.pth")
    with pytest.raises(ValueError, match=message):
        _load(tmp_path / "vgg.pth")


def test_a_pickle_in_a_weight_file_is_not_executed(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Bomb(tmp_path / "executed")}, tmp_path / "vgg.pth")
    with pytest.raises(ValueError, match=r"vgg\.pth, but it cannot be read"):
        _load(tmp_path / "vgg.pth")
    assert not (tmp_path / "executed").exists()


def test_without_a_network_the_error_names_three_ways_out(cache: Path) -> None:
    with pytest.raises(RuntimeError, match=r"vgg16's ImageNet weights.*no network") as error:
        _load("imagenet")
    assert str(cache / CACHED) in str(error.value)
    assert "loss.content.weights=/path/to" in str(error.value)
    assert "loss.content.weights=random" in str(error.value)


@pytest.mark.usefixtures("cache")
def test_offline_imagenet_or_random_warns_and_is_random() -> None:
    with pytest.warns(RandomFeaturesWarning, match=r"cannot be downloaded .*no network.*RANDOM vgg16"):
        content = _load("imagenet-or-random")
    assert content.weights_used == "random"
    pictures = torch.rand(1, 3, 16, 16)
    assert torch.equal(content.extract(pictures)[0], _load("random").extract(pictures)[0])


@pytest.mark.parametrize("weights", ["imagenet", "imagenet-or-random"])
def test_a_file_put_into_the_cache_is_used_without_a_network(
    cache: Path, state: dict[str, Tensor], weights: str
) -> None:
    torch.save(state, cache / CACHED)
    assert _load(weights).weights_used == "imagenet"


def test_a_pickle_in_the_cache_is_not_executed(cache: Path, tmp_path: Path) -> None:
    torch.save({"features.0.weight": Bomb(tmp_path / "executed")}, cache / CACHED)
    with pytest.raises((RuntimeError, ValueError), match=r"vgg16"):
        _load("imagenet")
    assert not (tmp_path / "executed").exists()


def test_a_truncated_file_in_the_cache_is_explained(cache: Path) -> None:
    (cache / CACHED).touch()
    with pytest.raises((RuntimeError, ValueError), match=CACHED):
        _load("imagenet")
