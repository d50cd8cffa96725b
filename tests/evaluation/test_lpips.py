"""Tests of LPIPS: left out with a reason where its weights are not at hand, else the published formula."""

import hashlib
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchmetrics.functional.image
from torch import nn
from torch.nn.functional import normalize
from torchvision import models

from srgan.evaluation import lpips
from srgan.evaluation.lpips import Lpips, NoBackboneError, backbone_file

CPU = torch.device("cpu")
RELUS = (1, 4, 7, 9, 11)  # the five layers of AlexNet that LPIPS looks at


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub's."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path


@pytest.fixture
def alexnet(monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """An untrained AlexNet in the place of the pretrained one."""
    torch.manual_seed(0)
    features: nn.Sequential = models.alexnet().features.eval()
    monkeypatch.setattr(models, "alexnet", lambda weights: SimpleNamespace(features=features))
    monkeypatch.setattr(lpips, "_check", lambda file: None)
    return features


def test_without_weights_it_says_where_to_put_them(cache: Path) -> None:
    file = cache / "checkpoints" / "alexnet-owt-7be5be79.pth"
    with pytest.raises(
        NoBackboneError, match=r"is missing; it comes from https://.*/alexnet-owt-7be5be79.pth"
    ) as raised:
        Lpips(CPU)
    assert str(raised.value).startswith(str(file))


def test_a_broken_file_is_not_opened(cache: Path) -> None:
    backbone_file().write_bytes(b"half of it")
    assert not hashlib.sha256(b"half of it").hexdigest().startswith("7be5be79")
    with pytest.raises(NoBackboneError, match="is broken"):
        Lpips(CPU)


def test_it_is_the_papers_formula_on_8_bit_pictures(alexnet: nn.Sequential) -> None:
    rng = torch.Generator().manual_seed(0)
    hr, sr = torch.rand(1, 3, 64, 72, generator=rng), torch.rand(1, 3, 64, 72, generator=rng)
    folder = Path(torchmetrics.functional.image.__path__[0]) / "lpips_models"
    heads = torch.load(folder / "alex.pth", map_location="cpu", weights_only=True)
    mean = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    std = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def features(images: torch.Tensor) -> list[torch.Tensor]:
        states = [(2 * (images * 255).round() / 255 - 1 - mean) / std]
        for module in alexnet:
            states.append(module(states[-1].clone()))
        return [normalize(states[depth + 1]) for depth in RELUS]

    with torch.no_grad():
        pairs = zip(features(sr), features(hr), heads.values(), strict=True)
        expected = sum(((a - b).square() * head).sum(dim=1).mean() for a, b, head in pairs)
    distance = Lpips(CPU).prepare(hr)
    assert float(distance(sr)) == pytest.approx(float(expected), rel=1e-4)
    assert float(distance(hr)) == 0


@pytest.mark.usefixtures("alexnet")
def test_pictures_too_small_for_the_network_have_none() -> None:
    hr = torch.rand(1, 3, 31, 40)
    assert math.isnan(float(Lpips(CPU).prepare(hr)(hr)))
    smallest = torch.rand(1, 3, 32, 32)
    assert float(Lpips(CPU).prepare(smallest)(smallest)) == 0
