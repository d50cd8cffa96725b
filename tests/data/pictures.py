"""Pictures that the tests of the data engine write."""

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, *, seed: int = 0, width: int = 64, height: int = 48) -> Path:
    """Write a picture of noise, which folders are made for; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path
