"""Tests of srgan.data.augmentations: pairs stay pairs, and shares, patches and orders are as documented."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from srgan.data.augmentations import Augmentation

COUNT = 300


def rngs(count: int = COUNT) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.fixture
def hr() -> Tensor:
    return torch.rand(COUNT, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def test_colours_of_both_pictures_change_alike(hr: Tensor) -> None:
    augmentation = Augmentation(colour_jitter=0.4, channel_permutation_probability=0.5)
    lr, jittered = augmentation.recolour(avg_pool2d(hr, 4), hr, rngs())
    torch.testing.assert_close(lr, avg_pool2d(jittered, 4))
    assert jittered.min() >= 0
    assert jittered.max() <= 1
    assert ((jittered - hr).abs().amax(dim=(1, 2, 3)) > 0.01).float().mean() > 0.9


def test_jitter_is_a_share_of_one_colour(hr: Tensor) -> None:
    _, jittered = Augmentation(colour_jitter=0.4).recolour(hr, hr, rngs())
    contrast = (jittered - jittered.mean(dim=(2, 3), keepdim=True)).std(dim=(1, 2, 3))
    shares = 1 - contrast / (hr - hr.mean(dim=(2, 3), keepdim=True)).std(dim=(1, 2, 3))
    assert shares.min() == pytest.approx(0, abs=0.01)
    assert shares.max() == pytest.approx(0.4, abs=0.01)
    assert shares.mean() == pytest.approx(0.2, abs=0.03)


def test_a_share_of_the_pairs_loses_its_colours(hr: Tensor) -> None:
    lr, changed = Augmentation(gray_probability=0.3).recolour(avg_pool2d(hr, 4), hr, rngs())
    torch.testing.assert_close(lr, avg_pool2d(changed, 4))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # BT.601
    gray = (changed - (hr * luma).sum(1, keepdim=True)).abs().amax(dim=(1, 2, 3)) < 1e-6
    torch.testing.assert_close(changed[~gray], hr[~gray], rtol=0, atol=0)
    assert gray.float().mean() == pytest.approx(0.3, abs=0.08)


def test_channels_come_in_all_orders(hr: Tensor) -> None:
    _, changed = Augmentation(channel_permutation_probability=0.6).recolour(hr, hr, rngs())
    counts = {
        order: sum(torch.equal(changed[n], hr[n, list(order)]) for n in range(COUNT))
        for order in permutations(range(3))
    }
    assert sum(counts.values()) == COUNT
    assert counts.pop((0, 1, 2)) == pytest.approx(COUNT * (0.4 + 0.6 / 6), abs=30)
    assert all(count == pytest.approx(COUNT * 0.6 / 6, abs=20) for count in counts.values())


def test_mixup_blends_lr_and_hr_with_the_next_pair_alike(hr: Tensor) -> None:
    lr = avg_pool2d(hr, 4)
    mixed_lr, mixed_hr = Augmentation(mixup_probability=0.5).mix(lr, hr, lr, rngs())
    torch.testing.assert_close(mixed_lr, avg_pool2d(mixed_hr, 4))
    towards = hr.roll(-1, dims=0) - hr
    shares = ((mixed_hr - hr) * towards).sum(dim=(1, 2, 3)) / towards.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(mixed_hr, hr + shares.view(-1, 1, 1, 1) * towards)
    mixed = shares[shares > 1e-6]
    assert len(mixed) == pytest.approx(COUNT / 2, abs=30)
    assert mixed.mean() == pytest.approx(0.5, abs=0.05)
    assert mixed.std() == pytest.approx((1 / (4 * (2 * 1.2 + 1))) ** 0.5, abs=0.03)  # of Beta(1.2, 1.2)


def test_cutblur_puts_a_patch_of_one_into_the_other(hr: Tensor) -> None:
    lr, clean = torch.zeros(COUNT, 3, 10, 20), torch.ones(COUNT, 3, 10, 20)
    cut, unchanged = Augmentation(cutblur_probability=0.5).mix(lr, hr[..., :10, :20], clean, rngs())
    assert torch.equal(unchanged, hr[..., :10, :20])
    clean_pixels = cut[:, 0].flatten(1).sum(dim=1)
    patch = 7 * 14
    assert set(clean_pixels.tolist()) == {0, patch, 200 - patch}
    assert (clean_pixels == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    assert (clean_pixels == patch).float().mean() == pytest.approx(0.25, abs=0.08)
    # The patch is a rectangle that lies anywhere.
    places = {
        tuple(mask.nonzero()[0].tolist()) for mask, count in zip(cut[:, 0], clean_pixels, strict=True) if count == patch
    }
    assert len(places) > 20
    [example] = [mask for mask, count in zip(cut[:, 0], clean_pixels, strict=True) if count == patch][:1]
    assert example.any(dim=0).sum() == 14
    assert example.any(dim=1).sum() == 7


def test_all_off_changes_nothing(hr: Tensor) -> None:
    lr, augmentation = avg_pool2d(hr, 4), Augmentation()
    for pair in (augmentation.recolour(lr, hr, rngs()), augmentation.mix(lr, hr, torch.zeros_like(lr), rngs())):
        assert torch.equal(pair[0], lr)
        assert torch.equal(pair[1], hr)


@pytest.mark.parametrize("name", ["colour_jitter", "mixup_probability", "cutblur_probability"])
def test_numbers_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"data.augmentation.{name} between 0 and 1, got 1.5"):
        Augmentation(**{name: 1.5})
