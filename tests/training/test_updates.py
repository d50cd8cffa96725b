"""Test of what two processes exchange."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srgan.training import updates
from tests.forked import forkserver


def _parameters() -> list[nn.Parameter]:
    """Large and small ones, in both memory layouts and in neither."""
    conv = torch.zeros(8, 4, 3, 3)
    tensors = [conv.contiguous(memory_format=torch.channels_last), conv, torch.zeros(5), torch.zeros(20, 20)]
    return [nn.Parameter(tensor) for tensor in (*tensors, torch.zeros(20, 20).t())]


def _gradients(rank: int) -> list[Tensor]:
    rng = torch.Generator().manual_seed(rank)
    return [torch.randn(parameter.shape, generator=rng) for parameter in _parameters()]


def _exchange(rank: int, store: str, results: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    parameters, unused = _parameters(), nn.Parameter(torch.zeros(300))
    pairs = zip(parameters, _gradients(rank), strict=True)
    torch.autograd.backward([(parameter * gradient).sum() for parameter, gradient in pairs])
    updates.average_over_processes([*parameters, unused])
    assert unused.grad is None
    torch.save([parameter.grad for parameter in parameters], f"{results}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_gradients_become_their_mean_in_any_size_and_layout(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "store"), str(tmp_path))
    processes = [forkserver().Process(target=_exchange, args=(rank, *arguments)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    expected = [(a + b) / 2 for a, b in zip(_gradients(0), _gradients(1), strict=True)]
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected)
