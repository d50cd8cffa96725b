"""Tests of self-ensemble and consistency: turned input, turned output; shrunk output, the input; both in tiles."""

import pytest
import torch
from torch import Tensor

from srgan.inference import Consistent, SelfEnsemble, fidelity, upscale
from srgan.inference.trust import Spread
from srgan.networks import Generator
from srgan.pictures.resize import downscale


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()
    with torch.no_grad():
        generator.tail.output.weight.mul_(0.5)
        generator.tail.output.bias.fill_(0.03)  # type: ignore[union-attr] # a colour shift of 8 levels
    return generator


@pytest.fixture(scope="module")
def lr() -> Tensor:
    coarse = torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(48, 41), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_ensemble_s_result_turns_with_the_input(
    generator: Generator, lr: Tensor, turns: int, flipped: bool
) -> None:
    def turned(images: Tensor) -> Tensor:
        images = torch.rot90(images, turns, (-2, -1))
        return images.flip(-1) if flipped else images

    network = SelfEnsemble(generator)
    expected = turned(upscale(network, lr))
    torch.testing.assert_close(upscale(network, turned(lr)), expected, atol=1e-5, rtol=0)
    assert (upscale(generator, turned(lr)) - turned(upscale(generator, lr))).abs().max() > 1e-3  # not so without


def test_the_ensemble_is_the_mean_of_eight(generator: Generator, lr: Tensor) -> None:
    results = []
    with torch.no_grad():
        for axes in ((), (-1,), (-2,), (-1, -2)):  # all eight by other means
            results.append(generator(lr.flip(axes)).flip(axes))
            results.append(generator(lr.mT.flip(axes)).flip(axes).mT)
    expected = torch.stack(results).mean(0).clamp(0, 1)
    torch.testing.assert_close(upscale(SelfEnsemble(generator), lr), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("pixels", "sizes"), [(0, [1] * 8), (12 * 10 * 3, [2] * 4), (12 * 10 * 4, [4, 4])])
def test_views_are_computed_together_where_they_fit(
    generator: Generator, lr: Tensor, pixels: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = lr[..., :12, :10]
    monkeypatch.setattr(fidelity, "_CPU_PIXELS", 0)
    with torch.no_grad():
        expected = list(fidelity.views(generator, small))
    monkeypatch.setattr(fidelity, "_CPU_PIXELS", pixels)
    seen: list[int] = []
    hook = generator.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with torch.no_grad():
        results = list(fidelity.views(generator, small))
    hook.remove()
    assert seen == sizes
    torch.testing.assert_close(results, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", [SelfEnsemble, Spread])
def test_several_tiles_are_viewed_as_each_alone(generator: Generator, network: type[SelfEnsemble]) -> None:
    tiles = torch.rand(3, 3, 9, 14)
    with torch.no_grad():
        alone = torch.cat([network(generator)(tile[None]) for tile in tiles])
        torch.testing.assert_close(network(generator)(tiles), alone, atol=1e-5, rtol=0)


def test_consistency_gives_the_input_back(generator: Generator, lr: Tensor) -> None:
    before = downscale(upscale(generator, lr), 4) - lr
    after = downscale(upscale(Consistent(generator), lr), 4) - lr
    assert before.mean((0, 2, 3)).abs().min() * 255 > 4
    assert after.abs().mean() * 255 < 0.1
    assert after.mean((0, 2, 3)).abs().max() * 255 < 0.02


def test_consistency_keeps_the_detail(generator: Generator, lr: Tensor) -> None:
    def fine(images: Tensor) -> Tensor:
        return images - torch.nn.functional.avg_pool2d(images, 9, stride=1, padding=4, count_include_pad=False)

    before, after = (fine(upscale(network, lr)).flatten() for network in (generator, Consistent(generator)))
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.9


@pytest.mark.parametrize("tile_size", [7, 20])
def test_both_together_are_the_same_in_tiles(generator: Generator, tile_size: int) -> None:
    lr = torch.rand(1, 3, 95, 83)
    network = Consistent(SelfEnsemble(generator))
    assert network.receptive_radius == generator.receptive_radius + 24
    tiled = upscale(network, lr, tile_size=tile_size)
    torch.testing.assert_close(tiled, upscale(network, lr), atol=1e-5, rtol=0)


def test_a_single_pixel_can_be_consistent(generator: Generator) -> None:
    lr = torch.full((1, 3, 1, 1), 0.4)
    sr = upscale(Consistent(SelfEnsemble(generator)), lr)
    torch.testing.assert_close(downscale(sr, 4), lr, atol=1e-3, rtol=0)
