"""Tests of how many kernels a step has a card launch, which bounds its speed, and of how they are counted."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.launches import Launches, step_launches, textbook_launches
from benchmarks.shared.recipe import TINY
from srgan.training.ema import MovingAverage


@pytest.fixture
def tiny(photos: Path) -> tuple[str, ...]:
    """Settings for a step that takes no time."""
    return (*TINY, "data=folder", f"data.root={photos}", "data.val_fraction=0.4", "data.num_workers=0")


def test_a_step_launches_fewer_kernels_than_the_textbook(tiny: tuple[str, ...]) -> None:
    deep = (*tiny, "generator.num_blocks=16")
    assert step_launches(*deep).total() < textbook_launches(*deep)


@pytest.mark.parametrize(("pretrain_steps", "most"), [(100, 169), (0, 628)])
def test_a_step_launches_no_more_kernels_than_now(tiny: tuple[str, ...], pretrain_steps: int, most: int) -> None:
    settings = ("model.ema_decay=0.9", "data/augmentation=gray", f"model.pretrain_steps={pretrain_steps}")
    counted = step_launches(*tiny, *settings)
    assert counted.total() <= most, counted


def test_an_average_tensor_by_tensor_is_found(tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(average: MovingAverage, network: nn.Module, *, unless: Tensor) -> None:
        with torch.no_grad():
            for mean, value in zip(average.module.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 0.1)

    before = step_launches(*tiny, "model.ema_decay=0.9").total()
    monkeypatch.setattr(MovingAverage, "follow", one_by_one)
    assert step_launches(*tiny, "model.ema_decay=0.9").total() > before


def test_lists_are_counted_as_cuda_takes_them() -> None:
    alike, mixed = [torch.ones(3)] * 200, [torch.ones(3)] * 150 + [torch.ones(3, dtype=torch.float64)] * 50
    counted = []
    for tensors in (alike, mixed):
        with Launches() as mode:
            torch._foreach_mul_(tensors, 2.0)
        counted.append(mode.by_part.total())
    assert counted == [2, 200]


def test_views_and_empty_tensors_are_not_launched() -> None:
    with Launches() as mode:
        torch.empty(4, 4).view(2, 8).t().detach()
    assert not mode.by_part
