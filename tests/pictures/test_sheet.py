"""Tests of comparison sheets: their layout, and the window they show."""

import pytest
import torch

from srgan.pictures.sheet import Panel, comparison_sheet, most_detailed_window

CAPTION_HEIGHT, GAP = 26, 6


def _picture(height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    levels = torch.randint(0, 256, (1, 3, height, width), generator=torch.Generator().manual_seed(seed))
    return levels / 255


def test_one_panel_is_the_picture_with_its_caption_below() -> None:
    picture = _picture(20, 120)
    sheet = comparison_sheet([[Panel("bicubic", picture)]])
    assert sheet.shape == (1, 3, 20 + CAPTION_HEIGHT, 120)
    torch.testing.assert_close(sheet[..., :20, :], picture)
    assert sheet[..., 20:, :].min() < 0.5  # ink
    assert sheet[..., 20:, :].mean() > 0.8  # on white


def test_a_sheet_is_as_wide_and_high_as_its_columns_and_rows() -> None:
    first, second = _picture(20, 120), _picture(30, 80, seed=1)
    sheet = comparison_sheet([[Panel("a", first), Panel("b", first)], [Panel("c", second), Panel("d", second)]])
    assert sheet.shape == (1, 3, 20 + 30 + 2 * CAPTION_HEIGHT + GAP, 2 * 120 + GAP)
    top = 20 + CAPTION_HEIGHT + GAP
    torch.testing.assert_close(sheet[..., :20, 126:246], first)
    torch.testing.assert_close(sheet[..., top : top + 30, :80], second)
    torch.testing.assert_close(sheet[..., top : top + 30, 126:206], second)
    assert (sheet[..., :20, 120:126] == 1).all()  # the gap is white


def test_values_beyond_0_and_1_are_clamped() -> None:
    sheet = comparison_sheet([[Panel("x", torch.full((1, 3, 8, 60), 1.4) * torch.tensor([1, -1, 1]).view(1, 3, 1, 1))]])
    assert sheet[0, :, 0, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize("corner", [(0, 0), (36, 52), (60, 88), (24, 0)])
def test_the_window_is_where_the_texture_is(corner: tuple[int, int]) -> None:
    top, left = corner
    hr = torch.full((1, 3, 92, 120), 0.5)
    hr[..., top : top + 32, left : left + 32] = _picture(32, 32)
    assert most_detailed_window(hr, 32, step=4) == corner


def test_fine_texture_counts_and_a_strong_slow_gradient_does_not() -> None:
    hr = torch.linspace(0, 1, 96).expand(1, 3, 64, 96).clone()
    hr[..., 16:48, 48:80] += 0.05 * (torch.arange(32) % 2)
    top, left = most_detailed_window(hr, 32, step=8)
    assert (top, left) == (16, 48)


@pytest.mark.parametrize("step", [1, 3, 4, 8])
def test_the_window_lies_inside_on_the_grid_of_the_step(step: int) -> None:
    top, left = most_detailed_window(_picture(61, 83), 40, step=step)
    assert top % step == left % step == 0
    assert top + 40 <= 61
    assert left + 40 <= 83


@pytest.mark.parametrize("size", [(31, 100), (100, 31)])
def test_a_picture_smaller_than_the_window_starts_at_its_corner(size: tuple[int, int]) -> None:
    assert most_detailed_window(_picture(*size), 32, step=4) == (0, 0)
