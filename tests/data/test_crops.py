"""Tests of srgan.data.crops: orientations, crops and their alignment."""

from collections.abc import Sequence
from itertools import combinations

import kornia
import numpy as np
import pytest
import torch

from srgan.data.crops import NUM_ORIENTATIONS, Image, choose_crop, crop_pair, detail, orient

SCALE = 4


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(0).integers(256, size=(3, height, width), dtype=np.uint8)


def nearest_upscaled(lr: Image) -> Image:
    return lr.repeat(SCALE, axis=-1).repeat(SCALE, axis=-2)


def flat_with_textured_corner(size: int = 64, corner: int = 16) -> Image:
    image = np.full((3, size, size), 128, dtype=np.uint8)
    image[:, :corner, :corner] = noise(corner, corner)
    return image


def crops(num_candidates: int, *, seeds: Sequence[int], size: int = 16) -> list[tuple[int, int]]:
    image = flat_with_textured_corner()
    return [choose_crop(image, size, num_candidates=num_candidates, rng=np.random.default_rng(seed)) for seed in seeds]


def edges(image: Image) -> torch.Tensor:
    """Kornia's Sobel operator on 8-bit luma, where it needs no pixels from outside."""
    luma = torch.from_numpy(image).double().sum(dim=0)[None, None]
    return kornia.filters.sobel(luma, normalized=False, eps=0)[0, 0, 1:-1, 1:-1]


def test_the_eight_orientations_are_distinct() -> None:
    image = noise(6, 6)
    oriented = [orient(image, orientation) for orientation in range(NUM_ORIENTATIONS)]
    assert len(oriented) == 8
    assert np.array_equal(oriented[0], image)
    assert not any(np.array_equal(one, other) for one, other in combinations(oriented, 2))


@pytest.mark.parametrize("orientation", range(NUM_ORIENTATIONS))
def test_orientation_keeps_a_pair_aligned(orientation: int) -> None:
    lr = noise(5, 7)
    assert np.array_equal(orient(nearest_upscaled(lr), orientation), nearest_upscaled(orient(lr, orientation)))


@pytest.mark.parametrize("orientation", range(NUM_ORIENTATIONS))
def test_orientation_treats_a_batch_as_its_pictures(orientation: int) -> None:
    batch = np.stack([noise(5, 7), 255 - noise(5, 7)])
    assert np.array_equal(orient(batch, orientation), np.stack([orient(image, orientation) for image in batch]))


@pytest.mark.parametrize("orientation", range(NUM_ORIENTATIONS))
def test_orientations_are_those_of_torch(orientation: int) -> None:
    image = torch.from_numpy(noise(5, 7))
    expected = (image.flip(-1) if orientation >= 4 else image).rot90(orientation % 4, (-2, -1))
    assert np.array_equal(orient(noise(5, 7), orientation), expected.numpy())


def test_detail_is_the_sum_of_kornias_edges() -> None:
    windows = np.stack([noise(12, 15), noise(12, 15) // 2, np.full((3, 12, 15), 9, dtype=np.uint8)])
    expected = [float(edges(window).sum()) for window in windows]
    assert expected[0] > expected[1] > expected[2] == 0
    np.testing.assert_allclose(detail(windows), expected, rtol=1e-5)


@pytest.mark.parametrize("num_candidates", [1, 5])
def test_crop_of_the_whole_picture_is_the_picture(num_candidates: int) -> None:
    image = noise(12, 12)
    rng = np.random.default_rng(0)
    assert choose_crop(image, 12, num_candidates=num_candidates, rng=rng) == (0, 0)


@pytest.mark.parametrize("num_candidates", [1, 3])
def test_crops_reach_every_place_inside_and_none_outside(num_candidates: int) -> None:
    image = noise(9, 11)
    rng = np.random.default_rng(0)
    chosen = {choose_crop(image, 8, num_candidates=num_candidates, rng=rng) for _ in range(300)}
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
    details = [float(edges(image[:, t : t + 16, x : x + 16]).sum()) for t, x in zip(tops, lefts, strict=True)]
    best = int(np.argmax(details))
    assert crops(6, seeds=[0]) == [(tops[best], lefts[best])]


def test_crop_pair_cuts_the_same_window_out_of_both() -> None:
    lr = noise(10, 13)
    lr_crop, hr_crop = crop_pair(lr, nearest_upscaled(lr), top=3, left=4, crop_size=6)
    assert np.array_equal(lr_crop, lr[:, 3:9, 4:10])
    assert np.array_equal(hr_crop, nearest_upscaled(lr_crop))
