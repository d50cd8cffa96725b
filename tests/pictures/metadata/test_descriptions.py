"""Tests of descriptions: what is said of a file's structure does not outlive it, and what people write does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from tests.pictures.metadata.converted import convert

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
STACK = np.stack([PIXELS[..., 0]] * 3)


@pytest.mark.parametrize(
    ("pixels", "settings", "shape"),
    [
        (PIXELS, {"photometric": "rgb"}, (24, 20, 3)),
        (PIXELS, {"photometric": "rgb", "ome": True, "metadata": {"PhysicalSizeX": 0.5}}, (24, 20, 3)),
        (PIXELS[..., 0].astype(np.uint16), {"photometric": "minisblack"}, (24, 20)),
        (STACK, {"photometric": "minisblack"}, (3, 24, 20)),
        (STACK, {"imagej": True, "metadata": {"axes": "ZYX", "unit": "um", "Labels": ["a", "b", "c"]}}, (3, 24, 20)),
    ],
)
def test_no_description_states_the_old_shape(
    pixels: Any, settings: dict[str, Any], shape: tuple[int, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tifffile.imwrite(tmp_path / "old.tif", pixels, **settings)
    with tifffile.TiffFile(convert(tmp_path / "old.tif", "tiff")) as file:
        assert file.series[0].shape == shape
        assert {page.aspage().description for page in file.pages} == {""}
        assert not {50838, 50839} & {tag.code for tag in file.pages.first.tags}
    assert not caplog.records  # tifffile says where a shape does not fit


@pytest.mark.parametrize("format", ["tiff", "png", "jpg"])
@pytest.mark.parametrize(
    ("description", "kept"),
    [
        ("My dog, shape: [round]", "My dog, shape: [round]"),
        ("<HOME> on a sign: <WELCOME>", "<HOME> on a sign: <WELCOME>"),
        ('{"shape": [6, 5, 3], "axes": "YXS", "sample": "x7"}', '{"sample": "x7"}'),
        ('{"shape": "round', '{"shape": "round'),
        ('{"shape": ' + "[" * 20_000, '{"shape": ' + "[" * 20_000),
    ],
)
def test_what_people_write_is_kept(description: str, kept: str, format: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "old.tif", PIXELS, photometric="rgb", description=description, metadata=None)
    with Image.open(convert(tmp_path / "old.tif", format)) as large:
        assert large.getexif()[ExifTags.Base.ImageDescription] == kept
