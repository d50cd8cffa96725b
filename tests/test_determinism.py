"""Tests of determinism: the same operation on the same numbers gives the same bits, on any number of threads."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from srgan.networks.tail import UpscaleTail


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many threads, whatever the number of cores, for one test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def gradients(network: nn.Module, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """A loss and its gradients by the network's parameters."""
    value = loss()
    found = torch.autograd.grad(value, list(network.parameters()))
    names = [name for name, _ in network.named_parameters()]
    return {"loss": value.detach(), **dict(zip(names, found, strict=True))}


def assert_repeats(compute: Callable[[], dict[str, Tensor]], *, times: int) -> None:
    """Every result of every repetition has the bits of the first one's."""
    first = compute()
    for _ in range(times - 1):
        again = compute()
        assert [name for name in first if not torch.equal(first[name], again[name])] == []


def test_the_tail(threads: int) -> None:
    torch.manual_seed(0)
    tail, features = UpscaleTail(64), torch.rand(2, 64, 24, 24)
    assert_repeats(lambda: gradients(tail, lambda: tail(features).square().mean()), times=30)
