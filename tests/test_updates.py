"""Test of what two processes exchange."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from srgan import updates


def _gradients(rank: int) -> list[Tensor | None]:
    """As two processes have them: large and small, in both memory layouts, and one that is missing."""
    rng = torch.Generator().manual_seed(rank)
    conv = torch.randn(8, 4, 3, 3, generator=rng)
    return [
        conv.contiguous(memory_format=torch.channels_last),
        conv.clone(),
        torch.randn(5, generator=rng),
        None,
        torch.randn(20, 20, generator=rng),
        torch.randn(20, 20, generator=rng).t(),  # neither layout
    ]


def _exchange(rank: int, store: str, results: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    updates._OWN_MESSAGE = 100
    tensors = _gradients(rank)
    updates.average_over_processes(tensors)
    torch.save([tensor for tensor in tensors if tensor is not None], f"{results}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_gradients_become_their_mean_whatever_their_size_and_layout(tmp_path: Path) -> None:
    spawn(_exchange, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)  # type: ignore[no-untyped-call]
    pairs = zip(_gradients(0), _gradients(1), strict=True)
    expected = [(a + b) / 2 for a, b in pairs if a is not None and b is not None]
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected, check_stride=True)
