"""Tests of inference: tiles show no seam, the result is a picture, and wrong requests raise."""

import pytest
import torch

from srgan.inference import choose_device, upscale
from srgan.networks import Generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(num_blocks=1, channels=4).eval()
    with torch.no_grad():
        generator.tail.output.weight.mul_(0.2)
        generator.tail.output.bias.fill_(0.5)  # type: ignore[union-attr] # most pixels lie within [0, 1]
    return generator


def _picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tile_size", [1, 7, 16, 31, 32, 40, 100])
@pytest.mark.parametrize("size", [(33, 32), (17, 41), (1, 33)])
def test_tiled_equals_whole(generator: Generator, size: tuple[int, int], tile_size: int) -> None:
    if tile_size == 1:
        size = (min(size[0], 5), 9)  # a tile a pixel
    lr = _picture(*size)
    whole = upscale(generator, lr)
    tiled = upscale(generator, lr, tile_size=tile_size)
    assert tiled.shape == whole.shape == (1, 3, 4 * size[0], 4 * size[1])
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)
    assert ((whole > 0) & (whole < 1)).float().mean() > 0.5  # clamping does not hide a seam


@pytest.mark.parametrize("scale", [2, 8])
def test_tiled_equals_whole_at_other_scales_with_a_skip_and_a_batch(scale: int) -> None:
    torch.manual_seed(0)
    generator = Generator(scale=scale, num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()
    lr = torch.rand(2, 3, 20, 25)
    tiled = upscale(generator, lr, tile_size=8)
    torch.testing.assert_close(tiled, upscale(generator, lr), atol=1e-5, rtol=0)


def test_a_narrower_margin_would_show_a_seam(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    lr = _picture(33, 32)
    monkeypatch.setattr(Generator, "receptive_radius", 3)
    assert (upscale(generator, lr, tile_size=16) - upscale(generator, lr)).abs().max() > 1e-4


@pytest.mark.parametrize("tile_size", [None, 4])
def test_result_is_the_generator_s_output_clamped_in_float32(generator: Generator, tile_size: int | None) -> None:
    lr = 4 * _picture(6, 5) - 1.5
    sr = upscale(generator, lr, tile_size=tile_size)
    with torch.no_grad():
        expected = generator(lr)
    assert expected.min() < 0
    assert expected.max() > 1
    torch.testing.assert_close(sr, expected.clamp(0, 1), atol=1e-5, rtol=0)
    assert sr.dtype == torch.float32
    assert not sr.requires_grad


@pytest.mark.parametrize("tile_size", [None, 4])
def test_the_generator_s_own_type_is_used(tile_size: int | None) -> None:
    generator = Generator(num_blocks=1, channels=4, norm="none").to(torch.bfloat16).eval()
    sr = upscale(generator, _picture(6, 5), tile_size=tile_size)
    assert sr.dtype == torch.float32
    assert sr.isfinite().all()


def test_training_mode_raises() -> None:
    with pytest.raises(ValueError, match=r"evaluation mode: call generator\.eval\(\)"):
        upscale(Generator(num_blocks=1, channels=4).train(), _picture(4, 4))


@pytest.mark.parametrize("tile_size", [0, -8])
def test_tile_size_below_1_raises(generator: Generator, tile_size: int) -> None:
    with pytest.raises(ValueError, match=f"Expected tile_size of 1 or more, .* got {tile_size}"):
        upscale(generator, _picture(4, 4), tile_size=tile_size)


@pytest.mark.parametrize("tile_size", [None, 4])
def test_a_grey_picture_raises(generator: Generator, tile_size: int | None) -> None:
    with pytest.raises(ValueError, match="Expected lr of shape"):
        upscale(generator, torch.rand(1, 1, 8, 8), tile_size=tile_size)


@pytest.mark.parametrize("device", ["warp-drive", "cuda:99", ""])
def test_an_unknown_device_raises(device: str) -> None:
    with pytest.raises(ValueError, match=f"Expected device=auto, cpu, or a device of this machine, got '{device}'"):
        choose_device(device)


def test_auto_is_a_device_of_this_machine() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert torch.zeros(1, device=choose_device("auto")).sum() == 0
