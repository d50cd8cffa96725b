"""Tests of discriminators on disk: written in half precision, read back, and refused where they do not fit."""

from pathlib import Path

import pytest
import torch
from torch import nn

from srgan.networks import Discriminator, PatchDiscriminator, UNetDiscriminator
from srgan.weights import WeightsError, load_into_discriminator, save_discriminator


def _trained(network: nn.Module) -> nn.Module:
    """A network whose statistics are no longer those it was built with."""
    network(torch.rand(2, 3, 32, 32))
    return network


@pytest.mark.parametrize("kind", [Discriminator, UNetDiscriminator, PatchDiscriminator])
def test_verdicts_survive_a_file(tmp_path: Path, kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    saved, loaded = _trained(kind(channels=2)), kind(channels=2)
    save_discriminator(tmp_path / "judge.safetensors", saved)
    load_into_discriminator(loaded, tmp_path / "judge.safetensors")
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(loaded.eval()(images), saved.eval()(images), rtol=1e-2, atol=1e-3)


def test_kernels_take_half_the_space(tmp_path: Path) -> None:
    discriminator = Discriminator(channels=8)
    save_discriminator(tmp_path / "judge.safetensors", discriminator)
    kernels = sum(value.numel() for value in discriminator.state_dict().values() if value.ndim > 1)
    assert (tmp_path / "judge.safetensors").stat().st_size == pytest.approx(2 * kernels, rel=0.05)


@pytest.mark.parametrize("other", [Discriminator(channels=3), PatchDiscriminator(channels=2)])
def test_another_architecture_is_refused_and_named(tmp_path: Path, other: nn.Module) -> None:
    save_discriminator(tmp_path / "judge.safetensors", Discriminator(channels=2))
    with pytest.raises(WeightsError, match=r'holds another discriminator.*"channels": 2.*Set discriminator='):
        load_into_discriminator(other, tmp_path / "judge.safetensors")


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.safetensors does not exist"):
        load_into_discriminator(Discriminator(channels=2), tmp_path / "absent.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(WeightsError, match=r"cut\.safetensors cannot be read as safetensors"):
        load_into_discriminator(Discriminator(channels=2), tmp_path / "cut.safetensors")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = Discriminator(channels=2)
    with torch.no_grad():
        next(broken.parameters())[0] = torch.nan
    save_discriminator(tmp_path / "judge.safetensors", broken)
    with pytest.raises(WeightsError, match="not finite"):
        load_into_discriminator(Discriminator(channels=2), tmp_path / "judge.safetensors")
