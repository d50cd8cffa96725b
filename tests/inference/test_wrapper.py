"""Tests of the network made for inference: another one, faster, with the same pictures out."""

import pickle
import platform
from collections.abc import Callable
from copy import deepcopy
from typing import cast

import pytest
import torch
from torch import Tensor

from srgan.inference import for_inference, fused
from srgan.networks import Generator
from srgan.networks.blocks import BicubicUpscale, Norm


@pytest.fixture
def generator() -> Generator:
    """One whose activations have slopes of their own: a quarter, PReLU's beginning, would hide a wrong one."""
    torch.manual_seed(0)
    generator = Generator(num_blocks=2, channels=8, norm="none", global_skip="bicubic").eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            parameter.uniform_(-0.5, 0.9) if "activation" in name else parameter.mul_(2)
    return generator


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("is_fused", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (17, 13)])
def test_the_pictures_are_the_same(
    generator: Generator, size: tuple[int, int], is_fused: bool, norm: Norm, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_fused:  # as on processors and devices that cannot
        monkeypatch.setattr("srgan.inference.fused._packable_types", lambda: frozenset())
    other = Generator(**{**generator.config, "norm": norm}).eval()
    other.load_state_dict(generator.state_dict(), strict=False)
    lr = torch.rand(2, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(for_inference(other)(lr), other(lr), rtol=1e-5, atol=1e-6)


def test_processors_that_torch_fuses_on_are_known() -> None:
    if platform.machine() in ("x86_64", "AMD64"):
        assert torch.float32 in fused._packable_types()


@pytest.mark.parametrize(
    "operator", [lambda *_, **__: torch.zeros(1, 16, 5, 6), lambda *_, **__: torch.ops.mkldnn.gone]
)
def test_operators_that_do_something_else_are_not_used(
    operator: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused, "_fused", operator)
    assert not fused._works(torch.float32)


def test_in_bfloat16_the_pictures_are_nearly_the_same(generator: Generator) -> None:
    lr = torch.rand(1, 3, 17, 13)
    with torch.inference_mode():
        full = generator(lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = for_inference(generator)(lr)
    skip = cast(BicubicUpscale, generator.skip)(lr)
    assert mixed.dtype == torch.float32
    assert (mixed - full).abs().max() < 0.05 * (full - skip).abs().max()
    assert not torch.equal(mixed, full)


def test_what_autocast_would_take_counts_only_while_it_is_on(generator: Generator) -> None:
    lr = torch.rand(1, 3, 17, 13)
    usual = torch.get_autocast_dtype("cpu")
    torch.set_autocast_dtype("cpu", torch.float16)  # what it is on CUDA
    try:
        with torch.inference_mode():
            torch.testing.assert_close(for_inference(generator)(lr), generator(lr), rtol=1e-5, atol=1e-6)
    finally:
        torch.set_autocast_dtype("cpu", usual)


def test_a_network_that_was_used_can_be_copied_and_pickled(generator: Generator) -> None:
    lr = torch.rand(1, 3, 9, 8)
    with torch.inference_mode():
        used = for_inference(generator)
        result = used(lr)
        assert torch.equal(deepcopy(used)(lr), result)
        assert torch.equal(pickle.loads(pickle.dumps(used))(lr), result)


def test_the_input_and_the_network_itself_stay_as_they_are(generator: Generator) -> None:
    lr = torch.rand(1, 3, 9, 8)
    before, weights = lr.clone(), {name: value.clone() for name, value in generator.state_dict().items()}
    with torch.inference_mode():
        for_inference(generator)(lr)
    torch.testing.assert_close(lr, before, rtol=0, atol=0)
    torch.testing.assert_close(generator.state_dict(), weights, rtol=0, atol=0)
    assert generator.state_dict().keys() == weights.keys()
