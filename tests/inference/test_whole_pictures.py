"""Tests of networks that look at the whole picture: in one piece where memory allows, else in tiles with a warning."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from srgan.inference import Consistent, Network, SelfEnsemble, trust_map, upscale
from srgan.inference import tile_layout as module
from srgan.networks import Adapted
from srgan.networks.peak import measure_peak


class Pooling(nn.Module):
    """Convolutions; with ``everywhere``, scaled by a mean over the whole picture, as attention over channels does."""

    def __init__(self, *, everywhere: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.everywhere = everywhere
        self.sizes: list[tuple[int, ...]] = []  # of what it was called with

    def forward(self, lr: Tensor) -> Tensor:
        self.sizes.append(tuple(lr.shape))
        features = self.first(lr)
        if self.everywhere:
            features = features * (1 + 4 * features.mean((-2, -1), keepdim=True))
        return nn.functional.pixel_shuffle(0.5 + self.last(features), 2)


class Attention(nn.Module):
    """Every pixel asks all others, in plain functions."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, lr: Tensor) -> Tensor:
        pixels = self.weight * lr.flatten(2)
        return (pixels @ (pixels.transpose(1, 2) @ pixels).softmax(-1)).view_as(lr)


def network(*, everywhere: bool) -> Adapted:
    return Adapted(Pooling(everywhere=everywhere), architecture="Pooling", scale=2).eval()


def sizes(adapted: Adapted) -> list[tuple[int, ...]]:
    """What the network is called with from here on, once it was measured."""
    _ = adapted.reach, adapted.num_bytes(1)
    assert isinstance(adapted.model, Pooling)
    adapted.model.sizes.clear()
    return adapted.model.sizes


@pytest.fixture
def lr() -> Tensor:
    """A picture longer than the largest tile of a CPU, dark on one side."""
    return torch.rand(1, 3, 16, 700, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 1, 700)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the bytes that are left."""
    return lambda left: monkeypatch.setattr(module, "available_memory", lambda device: left)


@pytest.mark.parametrize("wrap", [lambda plain: plain, SelfEnsemble, Consistent])
def test_default_settings_give_the_bits_of_one_piece(wrap: Callable[[Adapted], Network], lr: Tensor) -> None:
    wrapped = wrap(network(everywhere=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(upscale(wrapped, lr, tile_size="auto"), upscale(wrapped, lr))


def test_the_trust_map_is_of_one_piece(lr: Tensor) -> None:
    adapted = network(everywhere=True)
    maps = [trust_map(adapted, lr, upscale(adapted, lr), tile_size=size) for size in ("auto", None)]
    assert torch.equal(*maps)


def test_a_network_with_a_margin_stays_in_tiles(lr: Tensor) -> None:
    adapted = network(everywhere=False)
    called = sizes(adapted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiled = upscale(adapted, lr, tile_size="auto")
    assert len(called) > 1
    assert (tiled - upscale(adapted, lr)).abs().max() <= 0.5 / 255


def test_short_memory_takes_tiles_and_says_so(lr: Tensor, memory: Callable[[float], None]) -> None:
    adapted = network(everywhere=True)
    called, needed = sizes(adapted), adapted.num_bytes(16 * 700)
    memory(2 * needed)
    upscale(adapted, lr, tile_size="auto")
    assert called == [(1, 3, 16, 700)]
    memory(2 * needed - 1)
    with pytest.warns(UserWarning, match=r"here 700x16 pixels, .* GB, .* cpu .*in tiles\. .* levels.*tile_size=null"):
        tiled = upscale(adapted, lr, tile_size="auto")
    assert len(called) > 2
    assert (tiled - upscale(adapted, lr)).abs().max() > 0.5 / 255  # it was right to warn


def test_tiles_that_were_asked_for_are_used_and_warned_of(lr: Tensor) -> None:
    adapted = network(everywhere=True)
    called = sizes(adapted)
    with pytest.warns(UserWarning, match=r"tile_size=300 cuts it\. .* of 255 levels, .* tile_size=auto computes it in"):
        upscale(adapted, lr, tile_size=300)
    assert len(called) > 1


@pytest.mark.parametrize("tile_size", [600, 700])
def test_a_tile_that_is_all_of_it_is_not_warned_of(tile_size: int, lr: Tensor) -> None:
    adapted = network(everywhere=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiled = upscale(adapted, lr, tile_size=tile_size)  # 600 and a margin of 64 to each side are more than 700
    assert torch.equal(tiled, upscale(adapted, lr))


def test_whole_pictures_at_once_are_as_many_as_fit(lr: Tensor, memory: Callable[[float], None]) -> None:
    adapted, pictures = network(everywhere=True), lr.expand(4, -1, -1, -1)
    called = sizes(adapted)
    memory(2 * 2 * adapted.num_bytes(16 * 700))
    together = upscale(adapted, pictures, tile_size="auto", batch_size=4)
    assert called == [(2, 3, 16, 700)] * 2
    assert torch.allclose(together, upscale(adapted, pictures), atol=1e-6)


def test_memory_of_attention_grows_with_the_square() -> None:
    peak, pixels = measure_peak(Attention().eval()), 256 * 256
    assert peak.num_bytes(pixels) >= 2 * 4 * pixels**2  # what softmax reads and makes
    assert peak.num_bytes(2 * pixels) == pytest.approx(4 * peak.num_bytes(pixels), rel=0.01)


def test_memory_of_convolutions_grows_with_the_pixels() -> None:
    adapted = network(everywhere=True)
    assert adapted.num_bytes(50_000) >= 50_000 * 4 * (8 + 12)  # what the last layer reads and makes
    assert adapted.num_bytes(100_000) == pytest.approx(2 * adapted.num_bytes(50_000), rel=0.01)
