"""Tests of srgan.pictures.rgb: 16 bits come out as the nearest of 8, upright and on white, as all other files do."""

from pathlib import Path

import kornia_rs
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_rgb8
from tests.data.pictures import save

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)
ALPHA = RNG.integers(0, 65536, (9, 7, 1), dtype=np.uint16)


def nearest(values: NDArray[np.float64]) -> torch.Tensor:
    """The 8-bit level nearest to each of 65536, by whole numbers."""
    return torch.from_numpy(np.floor(values / 257 + 0.5).astype(np.uint8)).permute(2, 0, 1)


def test_16_bit_png_is_rounded(tmp_path: Path) -> None:
    kornia_rs.io.write_image_png_u16(str(tmp_path / "x.png"), COLOURS, "rgb")
    assert torch.equal(read_rgb8(tmp_path / "x.png"), nearest(COLOURS.astype(np.float64)))


def test_16_bit_tiff_with_alpha_is_laid_on_white_and_rounded(tmp_path: Path) -> None:
    values = np.concatenate([COLOURS, ALPHA], axis=-1)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    share = ALPHA.astype(np.float64) / 65535
    assert torch.equal(read_rgb8(tmp_path / "x.tif"), nearest(COLOURS * share + 65535 * (1 - share)))


def test_8_bit_files_are_read_as_ever(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png")
    assert torch.equal(read_rgb8(path), read_rgb8(path))
    Image.new("I;16", (6, 5), 1000).save(tmp_path / "gray.png")
    assert bool((read_rgb8(tmp_path / "gray.png") == 4).all())


def test_a_cut_16_bit_file_is_named(tmp_path: Path) -> None:
    kornia_rs.io.write_image_png_u16(str(tmp_path / "x.png"), COLOURS, "rgb")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-60])
    with pytest.raises(ImageReadError, match=r"x\.png"):
        read_rgb8(tmp_path / "x.png")
