"""Tests of precision: a 16-bit result is close to float32's, an overflow falls back once, and auto knows the device."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from srgan.inference import for_inference, precision, upscale, with_precision
from srgan.networks import Generator
from srgan.weights import load_generator


@pytest.fixture(scope="module")
def photo_like() -> Tensor:
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=24, mode="bilinear")


class Overflowing(Generator):
    """Twice as bright as float16 can say, in between."""

    def forward(self, lr: Tensor) -> Tensor:
        big = torch.nn.functional.conv2d(lr, torch.full((3, 3, 1, 1), 100000.0, device=lr.device))
        return (big / 100000).repeat_interleave(self.scale, dim=-1).repeat_interleave(self.scale, dim=-2)


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_shipped_weights_look_the_same_in_16_bits(name: precision.Precision, photo_like: Tensor) -> None:
    generator = for_inference(load_generator(Path("srgan")))
    full = upscale(generator, photo_like)
    short = upscale(with_precision(generator, name), photo_like)
    assert short.dtype == torch.float32
    difference = (short - full).abs() * 255
    assert 0 < difference.max() < 0.6
    assert difference.mean() < 0.06  # 0.1 if the first layer, too, computes in 16 bits


def test_fp32_is_the_generator_itself() -> None:
    generator = Generator(num_blocks=1, channels=4).eval()
    assert with_precision(generator, "fp32") is generator


def test_an_overflow_falls_back_to_float32_with_one_warning() -> None:
    lr = torch.full((1, 3, 60, 60), 0.3)
    generator = Overflowing(num_blocks=1, channels=4, norm="none").eval()
    network = with_precision(generator, "fp16")
    with pytest.warns(UserWarning, match=r"torch\.float16 overflowed: going on in float32") as caught:
        sr = upscale(network, lr, tile_size=8)
    assert len(caught) == 1
    torch.testing.assert_close(sr, torch.full_like(sr, 0.9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        upscale(network, lr)  # the next picture does not try again


@pytest.mark.parametrize(
    ("global_skip", "fast", "expected"), [("bicubic", True, "bf16"), ("bicubic", False, "fp32"), ("none", True, "fp32")]
)
def test_auto_on_a_cpu(global_skip: str, fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda: fast)
    generator = Generator(num_blocks=1, channels=4, global_skip=global_skip).eval()  # type: ignore[arg-type]
    dtype = getattr(with_precision(generator, "auto"), "dtype", None)
    assert dtype == {"bf16": torch.bfloat16, "fp32": None}[expected]


def test_another_precision_raises() -> None:
    with pytest.raises(ValueError, match="Expected precision to be one of auto, fp32, bf16, fp16, got 'int8'"):
        with_precision(Generator(num_blocks=1, channels=4).eval(), "int8")  # type: ignore[arg-type]
