"""Tests of the generator's moving average: its numbers, its buffers, and that it is what gets validated."""

import pytest
import torch
from torch import nn

from srgan.training.ema import MovingAverage


def test_follows_with_a_decay_that_warms_up() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = MovingAverage(network, decay=0.5)
    expected = None
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]):
        nn.init.constant_(network.weight, value)
        average.follow(network)
        share = min(0.5, (1 + step) / (10 + step))  # 2/11, 3/12, 4/13, …
        expected = value if expected is None else share * expected + (1 - share) * value
        assert float(average.module.state_dict()["weight"]) == pytest.approx(expected)


def test_batchnorm_buffers_are_averaged_without_gradients() -> None:
    network = nn.BatchNorm2d(1)
    average = MovingAverage(network, decay=0.5)
    for mean in (0.0, 1.0):
        network.running_mean = torch.tensor([mean])
        average.follow(network)
    assert float(average.module.state_dict()["running_mean"]) == pytest.approx(1 - 2 / 11)
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_counters_are_taken_over_as_they_are() -> None:
    """A weighted mean of a number with itself may be one less, once it is cut to a whole number."""
    network = nn.BatchNorm2d(1)
    average = MovingAverage(network, decay=0.999)
    for _ in range(100):
        network(torch.rand(2, 1, 2, 2))
        average.follow(network)
    assert average.module.state_dict()["num_batches_tracked"] == 100


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1, 2])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"Expected model\.ema_decay between 0 and 1"):
        MovingAverage(nn.Linear(1, 1), decay=decay)
