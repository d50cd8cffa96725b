"""Photos to keep in a cache, and a watch on what is decoded."""

from pathlib import Path

import pytest
import torch

from srgan.data import collection as collection_module
from srgan.pictures.rgb import read_rgb8
from tests.data.cache.cached import NUM_PHOTOS
from tests.data.pictures import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of four photos of 64x48 pixels."""
    for seed in range(NUM_PHOTOS):
        save(tmp_path / "photos" / f"{seed}.bmp", seed=seed)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the HR files that were decoded so far to be looked at."""
    names: list[str] = []

    def watched(path: Path) -> torch.Tensor:
        names.append(path.name)
        return read_rgb8(path)

    monkeypatch.setattr(collection_module, "read_rgb8", watched)
    return names
