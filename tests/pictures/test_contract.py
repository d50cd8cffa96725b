"""The contract between a user's file and the enlarged one: a table with a row for each kind of picture."""

import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import kornia_rs.io
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from srgan.inference.channels import upscale_picture
from srgan.pictures import read_pictures, write_pictures

Array = NDArray[Any]
Writer = Callable[[Path], object]
RANDOM = np.random.default_rng(0)


def some(*shape: int, depth: Any = np.uint8) -> Array:
    values = RANDOM.integers(0, np.iinfo(depth).max + 1, shape, dtype=depth)
    if shape[-1] in (2, 4):
        values[..., -1] |= 1  # nothing fully transparent, whose colours are not kept
    return values


RGB, GRAY, RGBA, LA = some(6, 5, 3), some(6, 5), some(6, 5, 4), some(6, 5, 2)
RGB16, GRAY16 = some(6, 5, 3, depth=np.uint16), some(6, 5, depth=np.uint16)
RGBA16, LA16 = some(6, 5, 4, depth=np.uint16), some(6, 5, 2, depth=np.uint16)
INDICES, PALETTE = np.arange(30, dtype=np.uint8).reshape(6, 5), some(30, 3)
BLACK_WHITE, KEY = np.where(GRAY < 128, 0, 255).astype(np.uint8), tuple(RGB[0, 0].tolist())
HALF_CLEAR = np.full((6, 5, 4), (39999, 10000, 200, 32768), dtype=np.uint16)
MULTIPLIED = np.full((6, 5, 4), (20000, 5000, 100, 32768), dtype=np.uint16)


def enlarge(lr: Tensor, *, bits: int) -> Tensor:
    """Each pixel four by four times, in the file's own levels."""
    levels: Tensor = (lr * (2**bits - 1)).round().to(torch.uint8 if bits == 8 else torch.uint16)
    return levels.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


def convert(source: Path, *, format: str = "same", quality: int = 95, suffix: str = "") -> Path:
    frames = [
        upscale_picture(frame, partial(enlarge, bits=frame.bits)) for frame in read_pictures(source, max_pixels=10**6)
    ]
    target = (source.parent / "out" / source.name).with_suffix(suffix or source.suffix)
    write_pictures(target, frames, format=format, quality=quality)
    return target


def by_pillow(values: Array, mode: str | None = None, **options: Any) -> Writer:
    image = Image.fromarray(values)
    return lambda path: (image.convert(mode) if mode else image).save(path, **options)


def by_palette(**options: Any) -> Writer:
    image = Image.fromarray(INDICES)
    image.putpalette(PALETTE.flatten().tolist())
    return lambda path: image.save(path, **options)


def by_kornia(values: Array) -> Writer:
    mode = {1: "mono", 3: "rgb", 4: "rgba"}[values.shape[-1]]
    return lambda path: kornia_rs.io.write_image_png_u16(str(path), values, mode)


def by_tifffile(values: Array, **options: Any) -> Writer:
    return lambda path: tifffile.imwrite(path, values, **options)


def by_hand(values: Array, colour_type: int, *chunks: tuple[bytes, bytes]) -> Writer:
    """A PNG of 16 bits, for the kinds that no other writer here knows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def with_key(colours: Array) -> Array:
    """What a picture is whose first pixel's colour counts as transparent; that pixel's own colour is free."""
    alpha = np.full_like(colours[..., :1], np.iinfo(colours.dtype).max)
    alpha[0, 0] = 0
    return np.concatenate([colours, alpha], axis=-1)


def with_alpha(alpha: int) -> Array:
    colours = PALETTE[INDICES]
    return np.concatenate([colours, np.full_like(colours[..., :1], alpha)], axis=-1)


def visible(values: Array) -> Array:
    """The values with black in place of colours that nothing of is seen."""
    return values if values.shape[-1] != 4 else np.where(values[..., 3:] == 0, 0, values)


def stored(path: Path) -> tuple[str, Array]:
    """The mode and the values of a file, read by others than the project."""
    if path.suffix == ".tif":
        values = tifffile.imread(path)
        return f"{'L' if values.ndim == 2 or values.shape[-1] == 2 else 'RGB'}{values.dtype.itemsize * 8}", values
    with Image.open(path) as image:
        return image.mode, np.array(image)


def stored_png16(path: Path) -> Array:
    channels = {0: "mono", 2: "rgb", 6: "rgba"}
    assert path.read_bytes()[24] == 16  # the header's depth
    values: Array = kornia_rs.io.read_image_png_u16(str(path), channels[path.read_bytes()[25]])
    return values.squeeze(-1) if values.shape[-1] == 1 else values


def enlarged(values: Array) -> Array:
    return values.repeat(4, axis=0).repeat(4, axis=1)


@pytest.mark.parametrize(
    ("name", "write", "mode", "expected"),
    [
        pytest.param("x.png", by_pillow(RGB), "RGB", RGB, id="rgb-png"),
        pytest.param("x.bmp", by_pillow(RGB), "RGB", RGB, id="rgb-bmp"),
        pytest.param("x.tif", by_pillow(RGB), "RGB8", RGB, id="rgb-tiff"),
        pytest.param("x.tif", by_pillow(RGB, compression="tiff_lzw"), "RGB8", RGB, id="rgb-tiff-lzw"),
        pytest.param("x.png", by_pillow(GRAY), "L", GRAY, id="gray-png"),
        pytest.param("x.bmp", by_pillow(GRAY), "L", GRAY, id="gray-bmp"),
        pytest.param("x.tif", by_pillow(GRAY), "L8", GRAY, id="gray-tiff"),
        pytest.param("x.png", by_pillow(RGBA), "RGBA", RGBA, id="rgba-png"),
        pytest.param("x.tif", by_pillow(RGBA), "RGB8", RGBA, id="rgba-tiff"),
        pytest.param("x.png", by_pillow(LA), "LA", LA, id="gray-alpha-png"),
        pytest.param("x.tif", by_pillow(LA), "L8", LA, id="gray-alpha-tiff"),
        pytest.param(
            "x.png", by_pillow(GRAY, "1"), "L", np.array(Image.fromarray(GRAY).convert("1")) * 255, id="1-bit"
        ),
        pytest.param("x.png", by_palette(), "RGB", PALETTE[INDICES], id="palette"),
        pytest.param(
            "x.png", by_pillow(RGB, transparency=tuple(RGB[0, 0].tolist())), "RGBA", with_key(RGB), id="rgb-key"
        ),
        pytest.param("x.png", by_palette(transparency=bytes([9] * 30)), "RGBA", with_alpha(9), id="palette-alpha"),
    ],
)
def test_8_bits_come_back_as_they_were(tmp_path: Path, name: str, write: Writer, mode: str, expected: Array) -> None:
    write(tmp_path / name)
    found_mode, values = stored(convert(tmp_path / name))
    assert found_mode == mode
    assert np.array_equal(visible(values), visible(enlarged(expected)))


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        pytest.param("x.png", by_kornia(RGB16), RGB16, id="rgb-png"),
        pytest.param("x.png", by_kornia(RGBA16), RGBA16, id="rgba-png"),
        pytest.param("x.png", by_kornia(GRAY16[..., None]), GRAY16, id="gray-png"),
        pytest.param("x.png", by_pillow(GRAY16), GRAY16, id="gray-png-by-pillow"),
        pytest.param(
            "x.png",
            by_hand(RGB16, 2, (b"tRNS", RGB16[0, 0].astype(">u2").tobytes())),
            with_key(RGB16),
            id="rgb-key-png",
        ),
        pytest.param("x.tif", by_tifffile(RGB16, photometric="rgb"), RGB16, id="rgb-tiff"),
        pytest.param("x.tif", by_tifffile(RGB16, photometric="rgb", byteorder=">"), RGB16, id="rgb-tiff-big-endian"),
        pytest.param("x.tif", by_tifffile(RGB16, photometric="rgb", compression="zlib"), RGB16, id="rgb-tiff-deflated"),
        pytest.param(
            "x.tif",
            by_tifffile(RGB16, photometric="rgb", compression="zlib", predictor=True, byteorder=">"),
            RGB16,
            id="rgb-tiff-predicted",
        ),
        pytest.param("x.tif", by_tifffile(RGB16, photometric="rgb", tile=(16, 16)), RGB16, id="rgb-tiff-tiled"),
        pytest.param(
            "x.tif", by_tifffile(RGBA16, photometric="rgb", extrasamples=["unassalpha"]), RGBA16, id="rgba-tiff"
        ),
        pytest.param("x.tif", by_tifffile(GRAY16, photometric="minisblack"), GRAY16, id="gray-tiff"),
        pytest.param("x.tif", by_tifffile(65535 - GRAY16, photometric="miniswhite"), GRAY16, id="inverted-gray-tiff"),
        pytest.param(
            "x.tif",
            by_tifffile((GRAY16 / 65535).astype(np.float32), photometric="minisblack"),
            GRAY16,
            id="float-tiff",
        ),
        pytest.param(
            "x.tif",
            by_tifffile(MULTIPLIED, photometric="rgb", extrasamples=["assocalpha"]),
            HALF_CLEAR,
            id="multiplied-rgba-tiff",
        ),
    ],
)
def test_16_bits_come_back_as_they_were(tmp_path: Path, name: str, write: Writer, expected: Array) -> None:
    write(tmp_path / name)
    target = convert(tmp_path / name)
    values = stored_png16(target) if name.endswith("png") else stored(target)[1]
    assert values.dtype == np.uint16
    difference = np.abs(visible(values).astype(int) - visible(enlarged(expected)))
    assert difference.max() <= (2 if expected is HALF_CLEAR else 0)


def test_16_bit_gray_with_alpha_goes_from_png_to_tiff(tmp_path: Path) -> None:
    by_hand(LA16, 4)(tmp_path / "x.png")
    target = convert(tmp_path / "x.png", format="tiff", suffix=".tif")
    assert np.array_equal(tifffile.imread(target), enlarged(LA16[..., [0, 0, 0, 1]]))
    (found,) = read_pictures(target, max_pixels=10**6)  # which gray with alpha of 16 bits would not be
    assert found.bits == 16
    assert np.array_equal((found.rgb[0, 0] * 65535).round().numpy(), enlarged(LA16[..., 0]))


def test_16_bit_gray_with_alpha_is_written_as_png(tmp_path: Path) -> None:
    by_hand(LA16, 4)(tmp_path / "x.png")
    target = convert(tmp_path / "x.png")
    assert target.read_bytes()[24:26] == bytes([16, 4])
    assert np.array_equal(stored(target)[1][..., [0, 3]], enlarged(LA16 >> 8))  # Pillow reads the high bytes


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        pytest.param("x.tif", Image.new("CMYK", (5, 6), (0, 255, 255, 0)), (255, 0, 0), id="cmyk-tiff"),
        pytest.param("x.jpg", Image.new("CMYK", (5, 6), (0, 255, 255, 0)), (255, 0, 0), id="cmyk-jpeg"),
        pytest.param("x.tif", Image.new("YCbCr", (5, 6), (128, 128, 128)), (128, 128, 128), id="ycbcr-tiff"),
        pytest.param("x.tif", Image.new("LAB", (5, 6), (255, 128, 128)), (255, 255, 255), id="lab-white"),
        pytest.param("x.tif", Image.new("LAB", (5, 6), (138, 209, 198)), (255, 0, 0), id="lab-red"),
    ],
)
def test_other_colour_spaces_become_rgb(
    tmp_path: Path, name: str, image: Image.Image, expected: tuple[int, int, int]
) -> None:
    image.save(tmp_path / name)
    with Image.open(convert(tmp_path / name)) as out:
        assert out.mode == "RGB"
        assert np.abs(np.array(out).astype(int) - expected).max() <= 6


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_gif_of_a_gray_picture_stays_gray(tmp_path: Path, suffix: str) -> None:
    by_pillow(INDICES)(tmp_path / "x.gif")
    with Image.open(convert(tmp_path / "x.gif", format="png" if suffix == ".png" else "same", suffix=suffix)) as out:
        assert out.mode == {".png": "L", ".gif": "P"}[suffix]
        assert np.array_equal(np.array(out.convert("RGB")), enlarged(np.stack([INDICES] * 3, axis=-1)))


@pytest.mark.parametrize(("format", "suffix"), [("jpg", ".jpg"), ("webp", ".webp")])
def test_quality_is_that_of_lossy_formats(tmp_path: Path, format: str, suffix: str) -> None:
    by_pillow(some(40, 40, 3))(tmp_path / "x.png")
    sizes = [
        convert(tmp_path / "x.png", format=format, suffix=suffix, quality=quality).stat().st_size
        for quality in (10, 50, 95)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(
    ("format", "suffix", "kind", "mode"),
    [
        ("png", ".png", "PNG", "L"),
        ("jpg", ".jpg", "JPEG", "L"),
        ("webp", ".webp", "WEBP", "RGB"),
        ("tiff", ".tif", "TIFF", "L"),
        ("same", ".bmp", "BMP", "L"),
    ],
)
def test_format_asked_for_is_written_and_gray_stays_gray(
    tmp_path: Path, format: str, suffix: str, kind: str, mode: str
) -> None:
    by_pillow(np.full((6, 5), 100, dtype=np.uint8))(tmp_path / "x.bmp")
    with Image.open(convert(tmp_path / "x.bmp", format=format, suffix=suffix)) as out:
        assert (out.format, out.mode) == (kind, mode)
        assert np.abs(np.array(out).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 500), (2, 2)])
@pytest.mark.parametrize("values", [RGB, RGBA16], ids=["rgb", "rgba-16"])
def test_thin_pictures_come_back_as_they_were(tmp_path: Path, shape: tuple[int, int], values: Array) -> None:
    values = np.resize(values, (*shape, values.shape[-1]))
    values[0, 0, -1] = 0  # of RGBA: hidden, so that its colour is found beside it
    (by_kornia if values.dtype == np.uint16 else by_pillow)(values)(tmp_path / "x.png")
    target = convert(tmp_path / "x.png")
    found = stored_png16(target) if values.dtype == np.uint16 else stored(target)[1]
    assert np.array_equal(visible(found), visible(enlarged(values)))


@pytest.mark.parametrize("shape", [(3, 5000), (1, 20000), (20000, 1)])
def test_very_wide_and_very_high_pictures(tmp_path: Path, shape: tuple[int, int]) -> None:
    by_pillow(some(*shape, 3))(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as source, Image.open(convert(tmp_path / "x.png")) as out:
        assert np.array_equal(np.array(out), enlarged(np.array(source)))


@pytest.mark.parametrize("name", ["ähre ☂ 画像.png", "n" * 251 + ".png"], ids=["unicode", "long"])
@pytest.mark.parametrize("format", ["png", "tiff", "webp", "jpg"])
def test_names_of_all_kinds(tmp_path: Path, name: str, format: str) -> None:
    by_pillow(RGB)(tmp_path / name)
    target = convert(tmp_path / name, format=format)
    assert [path.name for path in target.parent.iterdir()] == [name]
