"""Tests of the trust map: doubt is where views differ or the input does not come back, and the map says so."""

import pytest
import torch
from torch import Tensor

from srgan.inference import trust, trust_map, upscale
from srgan.inference.fidelity import views
from srgan.inference.trust import agreement, doubts
from srgan.networks import Generator
from srgan.pictures.resize import downscale


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()


def test_doubt_is_both_questions_in_levels(generator: Generator) -> None:
    lr = torch.rand(1, 3, 9, 12)
    sr = upscale(generator, lr)
    with torch.no_grad():
        variance = torch.stack(list(views(generator, lr))).clamp(0, 1).var(0, unbiased=False).mean(1)
    spread = variance.view(9, 4, 12, 4).mean((1, 3))
    residual = (downscale(sr, 4) - lr).abs().mean((0, 1))
    expected = 255 * (spread + residual**2).sqrt()
    assert expected.min() > 0.1
    torch.testing.assert_close(doubts(generator, lr, sr)[0, 0], expected, atol=1e-3, rtol=1e-3)


def test_doubt_is_the_same_in_tiles_and_from_an_8_bit_result(generator: Generator) -> None:
    lr = torch.rand(1, 3, 60, 50)
    sr = upscale(generator, lr)
    whole = doubts(generator, lr, sr)
    torch.testing.assert_close(doubts(generator, lr, sr, tile_size=16, batch_size=2), whole, atol=1e-3, rtol=0)
    eight_bit = (sr * 255).round().to(torch.uint8)
    assert (doubts(generator, lr, eight_bit) - whole).abs().max() < 0.6


def test_agreement_in_bands_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lr, sr = torch.rand(1, 3, 50, 7), torch.rand(1, 3, 200, 28)
    monkeypatch.setattr(trust, "_BAND", 11)
    expected = (downscale(sr, 4) - lr).abs().mean(1, keepdim=True)
    torch.testing.assert_close(agreement(lr, sr), expected, atol=1e-6, rtol=0)


def test_a_place_that_contradicts_the_input_is_dark(generator: Generator) -> None:
    lr = torch.full((1, 3, 150, 150), 0.5)
    sr = upscale(generator, lr)
    sr[..., 200:280, 400:480] += 0.1  # 25 levels
    drawn = trust_map(generator, lr, sr)
    assert drawn.shape == (1, 3, 600 + 92, 600)
    assert drawn[..., 220:260, 420:460].mean() < 0.2
    plain = torch.full((1, 1, 1, 1), 255 * float((downscale(sr, 4) - lr).abs().mean(1)[0, 75, 20]))
    torch.testing.assert_close(drawn[..., 300, 80], trust._coloured(plain)[..., 0, 0], atol=2e-2, rtol=0)


def test_colours_are_those_of_the_legend() -> None:
    doubt = torch.tensor([0.0, 0.5, 1, 2, 4, 8, 100]).view(1, 1, 1, -1)
    colours = (trust._coloured(doubt)[0, :, 0].T * 255).round().int().tolist()
    assert colours == [list(colour) for _, colour, _ in trust._STOPS] + [list(trust._STOPS[-1][1])]
    bar = (trust._legend()[0, :, 40] * 255).round().int()
    assert bar[:, 14].tolist() == [255, 255, 255]
    assert bar[:, -15].tolist() == [60, 0, 70]
    assert (trust._legend()[0, :, :25] < 0.5).any()  # there is writing


def test_a_map_of_a_large_result_has_smaller_cells(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_LARGEST", 30 * 40 * 9)
    lr = torch.rand(1, 3, 30, 40)
    drawn = trust_map(generator, lr, upscale(generator, lr))
    assert drawn.shape == (1, 3, 3 * 30 + 92, 560)


def test_tiny_pictures_have_a_map(generator: Generator) -> None:
    lr: Tensor = torch.rand(1, 3, 1, 1)
    assert trust_map(generator, lr, upscale(generator, lr)).shape == (1, 3, 4 + 92, 560)
