"""Tests of the pixel losses: numbers by hand for each criterion."""

import math
from typing import Any, get_args

import pytest
import torch

from srgan.losses import PixelCriterion, pixel_loss
from srgan.losses.pixel import check_pixel_criterion, colour_loss

CRITERIA: tuple[PixelCriterion, ...] = get_args(PixelCriterion)
SR, HR = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1), torch.tensor([0.5, 0.5, 0.3]).view(1, 3, 1, 1)


def _cross_entropy(sr: float, hr: float) -> float:
    return -hr * math.log(sr) - (1 - hr) * math.log(1 - sr)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("mse", (0.09 + 0 + 0.36) / 3),
        ("l1", (0.3 + 0 + 0.6) / 3),
        ("charbonnier", (math.sqrt(0.09 + 1e-6) + 1e-3 + math.sqrt(0.36 + 1e-6)) / 3),
        ("bce", (_cross_entropy(0.2, 0.5) + _cross_entropy(0.5, 0.5) + _cross_entropy(0.9, 0.3)) / 3),
    ],
)
def test_hand_computed_numbers(criterion: PixelCriterion, expected: float) -> None:
    assert pixel_loss(SR, HR, criterion=criterion).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_loss_is_smallest_at_the_truth_and_falls_towards_it(criterion: PixelCriterion) -> None:
    sr = SR.clone().requires_grad_()
    loss = pixel_loss(sr, HR, criterion=criterion)
    (gradient,) = torch.autograd.grad(loss, sr)
    step = torch.tensor([0.01, 0.0, -0.01]).view(1, 3, 1, 1)  # towards hr
    assert (gradient * step).sum() < 0
    assert pixel_loss(HR, HR, criterion=criterion) < pixel_loss(SR + step, HR, criterion=criterion) < loss


def test_charbonnier_has_a_finite_gradient_for_equal_images() -> None:
    sr = HR.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(pixel_loss(sr, HR, criterion="charbonnier"), sr)
    assert not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_bce_stays_finite_outside_0_to_1(dtype: torch.dtype) -> None:
    sr = torch.tensor([-3.0, 0.0, 1.0, 7.0, 0.5, 0.5], dtype=dtype).view(1, 3, 1, 2).requires_grad_()
    hr = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 1.0], dtype=dtype).view(1, 3, 1, 2)
    loss = pixel_loss(sr, hr, criterion="bce")
    (gradient,) = torch.autograd.grad(loss, sr)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_mismatched_shapes_raise_instead_of_being_broadcast(criterion: PixelCriterion) -> None:
    with pytest.raises(ValueError, match=r"same shape, got \(1, 3, 1, 1\) and \(1, 3, 1, 2\)"):
        pixel_loss(SR, HR.expand(1, 3, 1, 2), criterion=criterion)


def test_an_unknown_criterion_raises() -> None:
    unknown: Any = "huber"
    with pytest.raises(ValueError, match=r"Expected pixel_criterion to be one of .*'mse'.*, got 'huber'"):
        pixel_loss(SR, HR, criterion=unknown)
    with pytest.raises(ValueError, match="got 'huber'"):
        check_pixel_criterion(unknown)


def test_colour_loss_sees_colour_and_grid_and_no_texture() -> None:
    hr = torch.full((1, 3, 64, 64), 0.5)
    texture = torch.tensor([0.3, 0, 0, 0, -0.3, 0, 0, 0]).repeat(8).view(1, 1, 1, 64)  # means of 0, on the grid too
    assert colour_loss(hr + texture, hr).item() == pytest.approx(0, abs=1e-7)
    shifted = hr.clone()
    shifted[:, 0, :32, :32] += 0.2  # one of three channels, a quarter of the cells; in both kinds of means
    assert colour_loss(shifted, hr).item() == pytest.approx(2 * 0.2 / 12)
    checkered = hr.clone()
    checkered[..., ::4, ::4] += 0.3  # one place of 16: every cell's mean is off by a sixteenth, and one place's wholly
    assert colour_loss(checkered, hr).item() == pytest.approx(2 * 0.3 / 16)
