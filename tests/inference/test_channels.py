"""Tests of enlarging colours, gray and alpha with a network that mixes and invents."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from srgan.inference.channels import upscale_picture
from srgan.pictures import Picture


def bicubic(lr: Tensor) -> Tensor:
    return functional.interpolate(lr, scale_factor=4, mode="bicubic").clamp(0, 1)


def noisy(lr: Tensor) -> Tensor:
    noise = torch.rand(1, 3, 4 * lr.shape[2], 4 * lr.shape[3], generator=torch.Generator().manual_seed(0))
    return bicubic(lr) + 0.1 * (noise - 0.5)


def picture(rgb: Tensor, alpha: Tensor | None, *, gray: bool = False) -> Picture:
    return Picture(rgb=rgb, alpha=alpha, gray=gray, bits=8, icc_profile=None, exif=None, format="PNG")


def disc(size: int = 33) -> Tensor:
    across = torch.linspace(-1, 1, size)
    distance = (across[None] ** 2 + across[:, None] ** 2).sqrt()
    return ((0.6 - distance) * size / 2 + 0.5).clamp(0, 1).view(1, 1, size, size)


def on_white(found: Picture) -> Tensor:
    assert found.alpha is not None
    return found.rgb * found.alpha + 1 - found.alpha


def test_white_disc_on_clear_black_has_no_fringe() -> None:
    alpha = disc()
    white_where_seen = (alpha > 0).float().expand(1, 3, -1, -1)
    found = upscale_picture(picture(white_where_seen, alpha), bicubic)
    assert on_white(found).min() > 0.999
    assert on_white(upscale_picture(picture(white_where_seen, alpha), lambda lr: bicubic(white_where_seen))).min() < 0.9


def test_gray_photos_in_rgb_files_get_no_colours() -> None:
    luma = torch.rand(1, 1, 9, 7, generator=torch.Generator().manual_seed(1))
    found = upscale_picture(picture(luma.expand(-1, 3, -1, -1), None), noisy)
    torch.testing.assert_close(found.rgb, noisy(luma.expand(-1, 3, -1, -1)).mean(1, keepdim=True).expand(-1, 3, -1, -1))
    almost = torch.cat([luma, luma, luma.roll(1, -1)], dim=1)
    torch.testing.assert_close(upscale_picture(picture(almost, None), noisy).rgb, noisy(almost))


def test_disc_of_a_gradient_has_its_colours_up_to_the_edge() -> None:
    alpha = disc()
    across = torch.linspace(0.2, 0.8, 33).view(1, 1, 1, 33).expand(1, 3, 33, 33)
    found = upscale_picture(picture(across * (alpha > 0), alpha), bicubic)
    assert found.alpha is not None
    error = ((found.rgb - bicubic(across)).abs() * found.alpha).max()
    assert error < 0.04  # 0.2 and more, with black beyond the edge


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 7)])
def test_hidden_pixels_take_the_only_colour_there_is(shape: tuple[int, int]) -> None:
    alpha = torch.zeros(1, 1, *shape)
    alpha[..., 0, 0] = 1
    colour = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    found = upscale_picture(picture(colour * alpha, alpha), lambda lr: lr)
    assert torch.allclose(found.rgb, colour.expand(1, 3, *shape))


def test_what_cannot_be_seen_at_all_is_left_alone() -> None:
    rgb = torch.rand(1, 3, 4, 4)
    found = upscale_picture(picture(rgb, torch.zeros(1, 1, 4, 4)), lambda lr: lr)
    assert torch.equal(found.rgb, rgb)
    assert found.alpha is not None
    assert found.alpha.max() == 0


def test_opaque_and_clear_stay_so_though_the_network_invents() -> None:
    alpha = torch.zeros(1, 1, 12, 12)
    alpha[..., 6:] = 1
    found = upscale_picture(picture(torch.rand(1, 3, 12, 12), alpha), noisy).alpha
    assert found is not None
    assert found.shape == (1, 1, 48, 48)
    assert found[..., :20].max() == 0
    assert found[..., 28:].min() == 1
    assert 0 < found[..., 23:25].mean() < 1


def test_gray_stays_gray_though_the_network_tints() -> None:
    tint = torch.tensor([0.9, 1.0, 1.1]).view(1, 3, 1, 1)
    lr = torch.full((1, 3, 5, 5), 0.5)
    sr = upscale_picture(picture(lr, None, gray=True), lambda lr: bicubic(lr) * tint).rgb
    assert torch.equal(sr[:, 0], sr[:, 1])
    assert torch.equal(sr[:, 0], sr[:, 2])
    assert torch.allclose(sr, torch.tensor(0.5))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("size", [(7, 9), (300, 300)])  # in one band and in several
def test_gray_and_alpha_are_the_same_in_levels_as_in_floats(dtype: torch.dtype, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    peak = torch.iinfo(dtype).max
    lr = picture(torch.rand(1, 1, *size).expand(-1, 3, -1, -1), torch.rand(1, 1, *size).round(decimals=1), gray=True)
    rooms: list[tuple[tuple[int, ...], torch.dtype]] = []

    def levels(rgb: Tensor) -> Tensor:
        return (noisy(rgb).clamp(0, 1) * peak).round().to(dtype)

    def room(shape: tuple[int, ...], *, dtype: torch.dtype) -> Tensor:
        rooms.append((shape, dtype))
        return torch.empty(shape, dtype=dtype)

    found, expected = upscale_picture(lr, levels, room=room), upscale_picture(lr, lambda rgb: noisy(rgb).clamp(0, 1))
    assert found.alpha is not None
    assert expected.alpha is not None
    assert (found.rgb.dtype, found.alpha.dtype) == (dtype, dtype)
    for one, other in ((found.rgb, expected.rgb), (found.alpha, expected.alpha)):
        assert (one.float() - other * peak).abs().max() < 0.51 + 0.5  # three roundings, and that of their mean
    assert rooms == [((1, 1, 4 * size[0], 4 * size[1]), dtype)] * 2
