"""Tests of the depth of values: the file's own white is white, in predicting and in training."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from srgan.pictures import from_image, read_levels, read_pictures
from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_rgb8
from tests.pictures.chunks import write_png

Values = NDArray[Any]
SHARES = np.linspace(0, 1, 4 * 8).reshape(4, 8)  # black to white


def levels_of(bits: int) -> Values:
    levels: Values = np.rint(SHARES * (2**bits - 1)).astype(np.int64)
    return levels


def packed(values: Values, bits: int) -> bytes:
    """Rows of values, high bit first, each row filled up to a whole byte."""
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits(((values[..., None] >> shifts) & 1).astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


def gray_tiff(
    path: Path, values: Values, bits: int, *, order: str = "<", photometric: int = 1, orientation: int = 1
) -> None:
    height, width = values.shape
    big = values.astype(f"{order}u2").tobytes() if bits == 16 else packed(values, bits)
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 8 + 2 + 12 * 10 + 4), (274, 3, orientation), (277, 3, 1), (278, 4, height), (279, 4, len(big))]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(f"{order}{'I' if kind == 4 else 'Hxx'}", value)
        for tag, kind, value in tags
    )
    mark = b"II" if order == "<" else b"MM"
    path.write_bytes(
        mark + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + big
    )


def pgm(path: Path, maxval: int) -> None:
    values = np.rint(SHARES * maxval).astype(">u2" if maxval > 255 else "u1")
    path.write_bytes(f"P5 8 4 {maxval}\n".encode() + values.tobytes())


def jpeg2000(path: Path, bits: int, *, num_channels: int = 1) -> None:
    """A lossless file of 8 or 16 bits whose values lie around the middle, said to have fewer."""
    stored = 8 if bits <= 8 or num_channels > 1 else 16
    values = levels_of(min(bits, stored)) + 2 ** (stored - 1) - 2 ** (min(bits, stored) - 1)
    gray = Image.fromarray(values.astype(np.uint16 if stored == 16 else np.uint8))
    (gray if num_channels == 1 else Image.merge("RGBA"[:num_channels], [gray] * num_channels)).save(path)
    content = bytearray(path.read_bytes())
    depths = content.find(b"\xff\x4f\xff\x51") + 42
    for depth in range(depths, depths + 3 * num_channels, 3):
        assert content[depth] == stored - 1
        content[depth] = bits - 1
    if (header := content.find(b"ihdr")) > 0:  # a bare codestream has none
        content[header + 14] = bits - 1
    path.write_bytes(content)


def shares_of(path: Path) -> tuple[Values, Values]:
    """What a file is read as in predicting and, at 8 bits, in training."""
    (picture,) = read_pictures(path, max_pixels=100)
    levels = read_levels(path, max_pixels=100)
    assert np.abs(levels.colours[..., 0] / (2**levels.bits - 1) - picture.rgb[0, 0].numpy()).max() < 1e-6
    return picture.rgb[0, 0].numpy(), read_rgb8(path)[0].numpy() / 255


def is_read_in_full(path: Path, *, bits: int) -> None:
    """Each value within half a step of the file's own depth, black and white exactly."""
    predicted, trained = shares_of(path)
    step = 1 / (2**bits - 1) + 1 / 65535
    assert np.abs(predicted - SHARES).max() <= 0.51 * step
    assert np.abs(trained - SHARES).max() <= 0.51 * step + 0.51 / 255
    assert (predicted.min(), predicted.max()) == (0, 1) == (trained.min(), trained.max())


def refuses(path: Path, reason: str) -> None:
    for read in (lambda path: read_pictures(path, max_pixels=100), read_rgb8):
        with pytest.raises(ImageReadError, match=reason):
            read(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_gray_tiff_of_any_depth(tmp_path: Path, bits: int) -> None:
    gray_tiff(tmp_path / "x.tif", levels_of(bits), bits)
    is_read_in_full(tmp_path / "x.tif", bits=bits)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_tiff_whose_zero_is_white(tmp_path: Path, bits: int) -> None:
    gray_tiff(tmp_path / "x.tif", 2**bits - 1 - levels_of(bits), bits, photometric=0)
    is_read_in_full(tmp_path / "x.tif", bits=bits)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_tiff_with_the_high_byte_first(tmp_path: Path, bits: int) -> None:
    gray_tiff(tmp_path / "x.tif", levels_of(bits), bits, order=">")
    is_read_in_full(tmp_path / "x.tif", bits=bits)


@pytest.mark.parametrize("bits", [1, 8, 12, 16])
@pytest.mark.parametrize(("orientation", "lying"), [(6, np.rot90(SHARES)), (8, np.rot90(SHARES, -1)), (5, SHARES.T)])
def test_gray_tiff_that_lies_on_its_side(tmp_path: Path, bits: int, orientation: int, lying: Values) -> None:
    values = np.rint(lying * (2**bits - 1)).astype(np.int64)
    gray_tiff(tmp_path / "x.tif", values, bits, orientation=orientation)
    is_read_in_full(tmp_path / "x.tif", bits=bits)
    with Image.open(tmp_path / "x.tif") as image:  # one of Pillow's own, as the library takes it
        assert np.abs(from_image(image).rgb[0, 0].numpy() - SHARES).max() <= 0.51 / (2**bits - 1) + 1 / 65535


@pytest.mark.parametrize(("bits", "order", "photometric"), [(10, "<", 1), (14, "<", 1), (12, ">", 1), (12, "<", 0)])
def test_gray_tiff_of_other_depths_is_refused(tmp_path: Path, bits: int, order: str, photometric: int) -> None:
    gray_tiff(tmp_path / "x.tif", levels_of(bits), bits, order=order, photometric=photometric)
    refuses(tmp_path / "x.tif", r"x\.tif")


@pytest.mark.parametrize("order", "<>")
def test_tiff_of_16_bits_with_a_sign(tmp_path: Path, order: Any) -> None:
    tifffile.imwrite(tmp_path / "x.tif", levels_of(15).astype(np.int16), byteorder=order, photometric="minisblack")
    is_read_in_full(tmp_path / "x.tif", bits=15)


def test_tiff_of_8_bits_with_a_sign_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", levels_of(7).astype(np.int8), photometric="minisblack")
    refuses(tmp_path / "x.tif", "with a sign")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_gray_png_of_any_depth(tmp_path: Path, bits: int) -> None:
    values = levels_of(bits)
    rows = [packed(row[None], bits) for row in values]  # 16 bits too have the high one first
    write_png(tmp_path / "x.png", (8, 4, bits, 0), rows)
    is_read_in_full(tmp_path / "x.png", bits=bits)


@pytest.mark.parametrize("maxval", [1, 15, 100, 255, 256, 1000, 4095, 65535])
def test_pgm_of_any_maxval(tmp_path: Path, maxval: int) -> None:
    pgm(tmp_path / "x.pgm", maxval)
    predicted, trained = shares_of(tmp_path / "x.pgm")
    assert np.abs(predicted - SHARES).max() <= 0.5 / maxval + 0.5 / 255
    assert np.abs(trained - SHARES).max() <= 0.5 / maxval + 1 / 255
    assert (predicted.min(), predicted.max()) == (0, 1) == (trained.min(), trained.max())


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_gray_jpeg_2000_of_any_depth(tmp_path: Path, bits: int, suffix: str) -> None:
    jpeg2000(tmp_path / f"x{suffix}", bits)
    is_read_in_full(tmp_path / f"x{suffix}", bits=bits)


@pytest.mark.parametrize("num_channels", [3, 4])
@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_colour_jpeg_2000_of_more_than_8_bits_is_refused(tmp_path: Path, suffix: str, num_channels: int) -> None:
    path = tmp_path / f"x{suffix}"  # Pillow reads its white as black
    jpeg2000(path, 8, num_channels=num_channels)
    read_pictures(path, max_pixels=100)
    jpeg2000(path, 12, num_channels=num_channels)
    refuses(path, "12 bits")
