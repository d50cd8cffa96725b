"""Tests of srgan.data.transforms: orientations, crops and their alignment."""

from collections.abc import Sequence
from itertools import combinations

import kornia
import numpy as np
import pytest
import torch
from torch import Tensor

from srgan.data.transforms import NUM_ORIENTATIONS, choose_crop, crop_pair, detail_integral, orient

SCALE = 4


def noise(height: int, width: int) -> Tensor:
    return torch.randint(256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def nearest_upscaled(lr: Tensor) -> Tensor:
    return lr.repeat_interleave(SCALE, dim=-1).repeat_interleave(SCALE, dim=-2)


def flat_with_textured_corner(size: int = 64, corner: int = 16) -> Tensor:
    image = torch.full((3, size, size), 128, dtype=torch.uint8)
    image[:, :corner, :corner] = noise(corner, corner)
    return image


def crops(num_candidates: int, *, seeds: Sequence[int], size: int = 16) -> list[tuple[int, int]]:
    integral = detail_integral(flat_with_textured_corner())
    return [
        choose_crop(integral, size, num_candidates=num_candidates, rng=np.random.default_rng(seed)) for seed in seeds
    ]


def test_the_eight_orientations_are_distinct() -> None:
    image = noise(6, 6)
    oriented = [orient(image, orientation) for orientation in range(NUM_ORIENTATIONS)]
    assert len(oriented) == 8
    assert torch.equal(oriented[0], image)
    assert not any(torch.equal(one, other) for one, other in combinations(oriented, 2))


@pytest.mark.parametrize("orientation", range(NUM_ORIENTATIONS))
def test_orientation_keeps_a_pair_aligned(orientation: int) -> None:
    lr = noise(5, 7)
    assert torch.equal(orient(nearest_upscaled(lr), orientation), nearest_upscaled(orient(lr, orientation)))


@pytest.mark.parametrize("orientation", range(NUM_ORIENTATIONS))
def test_orientation_treats_a_batch_as_its_pictures(orientation: int) -> None:
    batch = torch.stack([noise(5, 7), 255 - noise(5, 7)])
    assert torch.equal(orient(batch, orientation), torch.stack([orient(image, orientation) for image in batch]))


@pytest.mark.parametrize(
    ("top", "left", "height", "width"), [(0, 0, 12, 15), (3, 4, 1, 1), (2, 5, 10, 7), (0, 3, 12, 1)]
)
def test_detail_integral_gives_the_sum_over_any_window(top: int, left: int, height: int, width: int) -> None:
    lr = noise(12, 15)
    edges = kornia.filters.sobel((lr / 255).mean(dim=0)[None, None])[0, 0].double()
    integral = detail_integral(lr)
    bottom, right = top + height, left + width
    window = integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
    torch.testing.assert_close(window, edges[top:bottom, left:right].sum())


@pytest.mark.parametrize("num_candidates", [1, 5])
def test_crop_of_the_whole_picture_is_the_picture(num_candidates: int) -> None:
    integral = detail_integral(noise(12, 12))
    rng = np.random.default_rng(0)
    assert choose_crop(integral, 12, num_candidates=num_candidates, rng=rng) == (0, 0)


@pytest.mark.parametrize("num_candidates", [1, 3])
def test_crops_reach_every_place_inside_and_none_outside(num_candidates: int) -> None:
    integral = detail_integral(noise(9, 11))
    rng = np.random.default_rng(0)
    chosen = {choose_crop(integral, 8, num_candidates=num_candidates, rng=rng) for _ in range(300)}
    if num_candidates == 1:
        assert chosen == {(top, left) for top in range(2) for left in range(4)}
    assert all(0 <= top <= 1 and 0 <= left <= 3 for top, left in chosen)


def test_more_candidates_find_the_textured_corner_more_often() -> None:
    def share_on_texture(num_candidates: int) -> float:
        return float(np.mean([max(crop) < 16 for crop in crops(num_candidates, seeds=range(100))]))

    assert share_on_texture(1) < 0.3
    assert share_on_texture(32) > 0.8


def test_the_chosen_crop_is_the_most_detailed_of_those_drawn() -> None:
    single = np.random.default_rng(0)
    tops, lefts = single.integers(49, size=6), single.integers(49, size=6)
    image = flat_with_textured_corner()
    edges = kornia.filters.sobel((image / 255).mean(dim=0)[None, None])[0, 0]
    detail = [edges[t : t + 16, x : x + 16].sum() for t, x in zip(tops, lefts, strict=True)]
    best = int(np.argmax(detail))
    assert crops(6, seeds=[0]) == [(tops[best], lefts[best])]


def test_crop_pair_cuts_the_same_window_out_of_both() -> None:
    lr = noise(10, 13)
    lr_crop, hr_crop = crop_pair(lr, nearest_upscaled(lr), top=3, left=4, crop_size=6)
    assert torch.equal(lr_crop, lr[:, 3:9, 4:10])
    assert torch.equal(hr_crop, nearest_upscaled(lr_crop))
