"""Tests of the learning-rate schedules: numbers by hand."""

import math

import pytest

from srgan.training.schedules import step_decay, warmup_cosine


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (49, 1.0), (50, 0.1), (74, 0.1), (75, 0.01), (99, 0.01), (500, 0.01)]
)
def test_step_decay_multiplies_at_each_milestone(step: int, factor: float) -> None:
    assert step_decay(step, 100, milestones=[0.5, 0.75]) == pytest.approx(factor)


def test_step_decay_by_default_is_constant() -> None:
    assert {step_decay(step, 7) for step in range(20)} == {1.0}


def test_step_decay_takes_its_own_gamma() -> None:
    assert step_decay(200_000, 200_000, milestones=[0.5], gamma=0.5) == 0.5


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 0.1),  # 2 / 20 of the way up
        (10, 1.1),
        (19, 2.0),  # the peak, at the last step of the warm-up
        (20, 2.0),
        (110, 1.25),  # half-way down from 2 to 0.5
        (155, 0.5 + 1.5 * 0.5 * (1 + math.cos(math.pi * 0.75))),
        (200, 0.5),
        (1000, 0.5),  # beyond its end it stays
    ],
)
def test_warmup_cosine_rises_to_its_peak_and_falls_to_its_end(step: int, factor: float) -> None:
    assert warmup_cosine(step, 200, warmup=0.1, peak=2.0, final=0.5) == pytest.approx(factor)


def test_warmup_cosine_is_never_zero_and_never_above_its_peak() -> None:
    factors = [warmup_cosine(step, 37) for step in range(60)]
    assert min(factors) >= 0.02
    assert max(factors) == 1.0


@pytest.mark.parametrize("num_steps", [1, 2])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_warmup_cosine_stands_very_short_phases(num_steps: int, warmup: float) -> None:
    assert all(0 < warmup_cosine(step, num_steps, warmup=warmup) <= 1 for step in range(num_steps + 1))
