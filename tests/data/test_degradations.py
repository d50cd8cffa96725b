"""Tests of srgan.data.degradations: LR as the papers' files have it."""

import pytest
import torch

from srgan.data.degradations import bicubic
from srgan.resize import downscale


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_resize_rounded_to_8_bit(scale: int) -> None:
    hr = torch.randint(256, (3, 8 * scale, 5 * scale), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = (downscale(hr[None] / 255, scale)[0] * 255).clamp(0, 255).round()
    lr = bicubic(hr, scale)
    assert lr.dtype == torch.uint8
    assert torch.equal(lr.float(), expected)


def test_overshoot_at_an_edge_does_not_wrap_around() -> None:
    hr = torch.zeros(3, 16, 48, dtype=torch.uint8)
    hr[..., 24:] = 255
    row = bicubic(hr, 4)[0, 2]
    assert downscale(hr[None] / 255, 4).max() > 1  # else this test shows nothing
    assert row[:5].max() < 50
    assert row[-5:].min() > 200


def test_flat_picture_keeps_its_value() -> None:
    flat = torch.full((3, 16, 20), 77, dtype=torch.uint8)
    assert torch.equal(bicubic(flat, 4), flat[:, :4, :5])
