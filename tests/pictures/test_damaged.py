"""Tests of damaged files: whichever call meets the decoder's error first, the file is refused and named."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srgan.pictures import from_image, read_levels, read_pictures
from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_rgb8

NOISE = np.random.default_rng(0).integers(0, 256, (10, 12, 3), dtype=np.uint8)
SMOOTH = Image.fromarray(NOISE).resize((96, 80), Image.Resampling.BICUBIC)
MOVING: dict[str, Any] = {"save_all": True, "append_images": [SMOOTH.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]}
READERS: dict[str, Callable[[Path], object]] = {
    "all frames": lambda path: read_pictures(path, max_pixels=10**6),
    "first frame": lambda path: read_levels(path, max_pixels=10**6),
    "for training": read_rgb8,
}


def with_flipped_byte(path: Path, name: bytes) -> None:
    """Change a byte in the middle of a PNG's last chunk of pixels, and make its checksum right again."""
    content = bytearray(path.read_bytes())
    start = content.rfind(name)
    length = struct.unpack_from(">I", content, start - 4)[0]
    content[start + 4 + length // 2] ^= 255
    struct.pack_into(">I", content, start + 4 + length, zlib.crc32(content[start : start + 4 + length]))
    path.write_bytes(content)


def refuses(path: Path, reader: str) -> None:
    with pytest.raises(ImageReadError, match=path.name):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_png_with_a_damaged_byte_is_refused(tmp_path: Path, reader: str) -> None:
    SMOOTH.save(tmp_path / "x.png")
    with_flipped_byte(tmp_path / "x.png", b"IDAT")
    refuses(tmp_path / "x.png", reader)


def test_apng_with_a_damaged_second_frame_is_refused(tmp_path: Path) -> None:
    SMOOTH.save(tmp_path / "x.png", **MOVING)
    with_flipped_byte(tmp_path / "x.png", b"fdAT")
    refuses(tmp_path / "x.png", "all frames")


def test_damaged_picture_of_pillow_is_refused(tmp_path: Path) -> None:
    SMOOTH.save(tmp_path / "x.png")
    with_flipped_byte(tmp_path / "x.png", b"IDAT")
    with Image.open(tmp_path / "x.png") as image, pytest.raises(OSError, match=r"data stream|truncated"):
        from_image(image)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data|Truncated File Read")  # Pillow's, beside the error
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", {}),
        (".jpg", {}),
        (".jpg", {"progressive": True}),
        (".webp", {}),
        (".gif", {}),
        (".bmp", {}),
        (".jp2", {}),
        (".tif", {"compression": "tiff_lzw"}),
        (".tif", {"compression": "tiff_adobe_deflate"}),
        (".tif", {}),
    ],
)
def test_cut_file_is_refused(tmp_path: Path, suffix: str, options: dict[str, Any], share: float, reader: str) -> None:
    path = tmp_path / f"x{suffix}"
    SMOOTH.save(path, **options, exif=Image.Exif())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refuses(path, reader)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".tif"])
@pytest.mark.parametrize("share", [0.6, 0.95])
def test_file_cut_in_a_later_frame_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"x{suffix}"
    SMOOTH.save(path, **MOVING)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refuses(path, "all frames")
