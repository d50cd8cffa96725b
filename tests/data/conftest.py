"""Photos for the data module."""

from pathlib import Path

import pytest

from tests.data.pictures import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten photos of 64x48 pixels in ``all``."""
    for seed in range(10):
        save(tmp_path / "all" / f"{seed}.png", seed=seed)
    save(tmp_path / "train" / "x.png", seed=99)
    return tmp_path / "all"
