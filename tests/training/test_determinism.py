"""Tests of determinism: the same operation on the same numbers gives the same bits, on any number of threads.

With the widths that people train, since small tensors are left to one thread.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from srgan.data.batch_changes import BatchChanges
from srgan.evaluation.metrics import score
from srgan.losses import ContentLoss, PixelCriterion, adversarial_loss, discriminator_loss, pixel_loss
from srgan.losses.pixel import colour_loss
from srgan.networks import Discriminator, Generator, PatchDiscriminator, UNetDiscriminator
from srgan.networks.tail import UpscaleTail
from srgan.pictures.resize import downscale_pixels as bicubic
from srgan.training.artefacts import checkerboard, colour_drift
from srgan.training.ema import MovingAverage

Results = dict[str, Tensor]


pytestmark = [pytest.mark.usefixtures("threads"), pytest.mark.parametrize("threads", [2, 4], indirect=True)]


def assert_repeats(compute: Callable[[], Results], *, times: int) -> None:
    """Every result of every repetition has the bits of the first one's."""
    first = compute()
    assert all(result.isfinite().all() for result in first.values())
    for _ in range(times - 1):
        again = compute()
        assert [name for name in first if not torch.equal(first[name], again[name])] == []


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def gradients(loss: Tensor, network: nn.Module, **inputs: Tensor) -> Results:
    """A loss and its gradients by a network's parameters, and by its inputs where these are given."""
    by_name = {**dict(network.named_parameters()), **inputs}
    return {"loss": loss.detach(), **dict(zip(by_name, torch.autograd.grad(loss, list(by_name.values())), strict=True))}


def loss_and_slope(loss: Callable[[Tensor, Tensor], Tensor], sr: Tensor, hr: Tensor) -> Results:
    return gradients(loss(sr, hr), nn.Identity(), sr=sr)


def test_the_tail() -> None:
    tail, features = UpscaleTail(64), noise(2, 64, 24, 24)
    assert_repeats(lambda: gradients(tail(features).square().mean(), tail), times=30)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_generator(norm: str) -> None:
    options = {"norm": norm, "global_skip": "none" if norm == "batch" else "bicubic"}
    generator = Generator(num_blocks=2, **options).to(memory_format=torch.channels_last)  # type: ignore[arg-type]
    lr, hr = noise(2, 3, 24, 24), noise(2, 3, 96, 96)
    assert_repeats(lambda: gradients(pixel_loss(generator(lr), hr, criterion="l1"), generator), times=5)


@pytest.mark.parametrize("build", [Discriminator, PatchDiscriminator, UNetDiscriminator])
def test_the_discriminators(build: type[nn.Module]) -> None:
    start = build().to(memory_format=torch.channels_last)
    sr, hr = noise(2, 3, 96, 96).requires_grad_(), noise(2, 3, 96, 96)

    def both_phases() -> Results:
        discriminator = copy.deepcopy(start)  # spectral norm's estimate moves at each call
        own = gradients(discriminator_loss(discriminator(hr), discriminator(sr.detach())), discriminator)
        return own | {"sr": gradients(adversarial_loss(discriminator(sr)), nn.Identity(), sr=sr)["sr"]}

    assert_repeats(both_phases, times=3)


def test_crops_that_the_discriminator_pools() -> None:
    discriminator, images = Discriminator(channels=8), noise(2, 3, 128, 176)
    assert_repeats(lambda: gradients(discriminator(images).square().mean(), discriminator), times=5)


@pytest.mark.parametrize("criterion", [*get_args(PixelCriterion), "colour"])
def test_losses_of_pixels(criterion: Any) -> None:
    sr, hr = noise(4, 3, 96, 96).requires_grad_(), noise(4, 3, 96, 96)
    loss = colour_loss if criterion == "colour" else partial(pixel_loss, criterion=criterion)
    assert_repeats(lambda: loss_and_slope(loss, sr, hr), times=30)


@pytest.fixture(scope="module")
def content_loss() -> ContentLoss:
    return ContentLoss(layer={"vgg22": 1.0, "vgg54": 1.0}, weights="random")


def test_the_content_loss(content_loss: ContentLoss) -> None:
    sr, hr = noise(1, 3, 96, 96).requires_grad_(), noise(1, 3, 96, 96)
    assert_repeats(lambda: loss_and_slope(content_loss, sr, hr), times=3)


def test_an_update_of_the_weights() -> None:
    """Clipping, the optimizer and the moving average."""
    start = Generator(num_blocks=4)
    slopes = [noise(*parameter.shape) for parameter in start.parameters()]

    def updated() -> Results:
        generator = copy.deepcopy(start)
        average = MovingAverage(generator, decay=0.999)
        optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, fused=True)
        for _ in range(2):
            for parameter, slope in zip(generator.parameters(), slopes, strict=True):
                parameter.grad = slope.clone()
            norm = nn.utils.clip_grad_norm_(generator.parameters(), 0.1)
            optimizer.step()
            average.follow(generator)
        return {"norm": norm, **average.state_dict(), **generator.state_dict()}

    assert_repeats(updated, times=4)


def test_shrinking_by_bicubic() -> None:
    hr = (noise(3, 500, 800) * 255).byte()
    assert_repeats(lambda: {"lr": bicubic(hr, 4)}, times=10)


@pytest.mark.parametrize("degradation", ["bicubic", "classical", "real"])
def test_degraded_and_augmented_batches(compose_train: Callable[..., DictConfig], degradation: str) -> None:
    cutblur = "data.augmentation.cutblur_probability=" + ("0" if degradation == "bicubic" else "0.5")
    data = compose_train(f"data/degradation={degradation}", "data/augmentation=strong", cutblur).data
    changes = BatchChanges(
        instantiate(data.degradation, _convert_="all"), instantiate(data.augmentation), scale=4, seed=0
    )
    batch = {"lr": noise(2, 3, 24, 24), "hr": noise(2, 3, 96, 96)}
    assert_repeats(lambda: changes(batch, first_sample=0), times=8)


def test_scores_and_health() -> None:
    sr, hr, lr = noise(1, 3, 240, 320), noise(1, 3, 240, 320).flip(-1), noise(1, 3, 60, 80)

    def measured() -> Results:
        scores = {name: torch.tensor(value) for name, value in score(sr, hr, crop_border=4).items()}
        return {**scores, "drift": colour_drift(sr, lr), "board": checkerboard(sr, 4)}

    assert_repeats(measured, times=5)
