"""The data module as the trainer would have it, and what its loaders give."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import torch

from srgan.data import SuperResolutionDataModule

VAL_NAMES = ["astronaut.png", "brushes.png", "chelsea.png", "coffee.png"]


def ready(*, rank: int = 0, world_size: int = 1, step: int = 0, **arguments: Any) -> SuperResolutionDataModule:
    """A data module after setup, in the given process of a run."""
    data = SuperResolutionDataModule(**{"hr_crop_size": 32, "batch_size": 4, **arguments})
    device = SimpleNamespace(root_device=torch.device("cpu"))
    place = {"global_rank": rank, "world_size": world_size, "global_step": step, "strategy": device, "loggers": []}
    data.trainer = SimpleNamespace(training=True, **place)  # type: ignore[assignment] # all that the data module looks at
    data.setup("fit")
    return data


def train_batches(count: int, **arguments: Any) -> list[dict[str, Any]]:
    return list(islice(ready(**arguments).train_dataloader(), count))


def val_names(data: SuperResolutionDataModule) -> list[str]:
    return [batch["name"][0] for batch in data.val_dataloader()]


def assert_same(ones: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["lr"], other["lr"])
        assert torch.equal(one["hr"], other["hr"])
