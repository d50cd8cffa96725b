"""Tests of files that others read: large profiles and texts, damaged side chunks; and of kinds that are not read."""

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from srgan.pictures import read_levels, read_pictures, write_pictures
from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_rgb8
from tests.pictures.chunks import Chunk, chunks_of, write_png

PIXELS = np.arange(90, dtype=np.uint8).reshape(6, 5, 3)


def png(path: Path, *before: Chunk, after: tuple[Chunk, ...] = ()) -> Path:
    write_png(path, (5, 6, 8, 2), [row.tobytes() for row in PIXELS], before=before, after=after)
    return path


def large_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(2_000_000))
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def is_read(path: Path) -> None:
    (picture,) = read_pictures(path, max_pixels=100)
    assert np.array_equal((picture.rgb[0].permute(1, 2, 0).numpy() * 255).round(), PIXELS)
    assert np.array_equal(read_levels(path, max_pixels=100).colours, PIXELS)
    assert np.array_equal(read_rgb8(path).permute(1, 2, 0).numpy(), PIXELS)
    with path.open("rb") as stream:
        assert len(read_pictures(io.BytesIO(stream.read()), max_pixels=100)) == 1


def test_profile_of_megabytes_is_read_and_written(tmp_path: Path) -> None:
    profile = large_profile()  # made once: it holds the time of its making, to the second
    path = png(tmp_path / "x.png", (b"iCCP", b"display\0\0" + zlib.compress(profile)))
    is_read(path)
    frames = read_pictures(path, max_pixels=100)
    assert frames[0].icc_profile == profile
    write_pictures(tmp_path / "y.png", frames, format="png", quality=95)
    is_read(tmp_path / "y.png")


@pytest.mark.parametrize("name", ["before", "after"])
def test_text_of_megabytes_is_read_and_kept(tmp_path: Path, name: str) -> None:
    text = (b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000))
    path = png(tmp_path / "x.png", text) if name == "before" else png(tmp_path / "x.png", after=(text,))
    is_read(path)
    write_pictures(tmp_path / "y.png", read_pictures(path, max_pixels=100), format="png", quality=95)
    assert text in chunks_of(tmp_path / "y.png")


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("name", [b"tEXt", b"pHYs", b"tIME", b"eXIf", b"iCCP", b"gAMA"])
def test_wrong_checksum_beside_the_pixels_is_passed_over(tmp_path: Path, name: bytes, where: str) -> None:
    chunk = (name, b"a\0b56789")
    path = png(tmp_path / "x.png", chunk) if where == "before" else png(tmp_path / "x.png", after=(chunk,))
    content = bytearray(path.read_bytes())
    content[content.find(name) + 5] ^= 255
    path.write_bytes(content)
    is_read(path)


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"tRNS"])
def test_wrong_checksum_of_pixels_is_refused(tmp_path: Path, name: bytes) -> None:
    path = png(tmp_path / "x.png", (b"tRNS", bytes(6)))
    content = bytearray(path.read_bytes())
    content[content.find(name) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"x\.png"):
        read_pictures(path, max_pixels=10**12)


def test_text_is_kept_but_not_what_is_exif_or_xmp(tmp_path: Path) -> None:
    kept = [(b"tEXt", b"parameters\0a cat"), (b"zTXt", b"Author\0\0" + zlib.compress(b"me"))]
    xmp = (b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="1"/>')
    write_pictures(
        tmp_path / "y.png",
        read_pictures(png(tmp_path / "x.png", *kept, xmp), max_pixels=100),
        format="png",
        quality=95,
    )
    assert [chunk for chunk in chunks_of(tmp_path / "y.png") if chunk[0] in (b"tEXt", b"zTXt", b"iTXt")] == kept


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"II\xbc\1", "a JPEG XR picture"),
        (b"\0\0\0\x18ftypcrx ", "a camera's own CR3 picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg/>', "an SVG drawing"),
        (b"%PDF-1.7", "a PDF document"),
    ],
)
def test_kinds_that_are_not_read_are_named(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "x").write_bytes(head + bytes(200))
    for read in (lambda path: read_pictures(path, max_pixels=100), read_rgb8):
        with pytest.raises(ImageReadError, match=f"x: it is {kind}, which is not read here; save it as JPEG or PNG"):
            read(tmp_path / "x")
    with pytest.raises(ImageReadError, match=kind):
        read_pictures(io.BytesIO(head + bytes(200)), max_pixels=100)


def test_a_cut_png_is_still_refused(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-30])
    with pytest.raises(ImageReadError, match=r"x\.png"):
        read_pictures(tmp_path / "x.png", max_pixels=100)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(("suffix", "kind"), [(".tif", "a TIFF"), (".avif", "an AVIF picture")])
def test_a_cut_file_is_said_to_be_damaged(tmp_path: Path, suffix: str, kind: str, share: float) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(PIXELS).resize((90, 80)).save(path, **({"compression": "tiff_lzw"} if suffix == ".tif" else {}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageReadError, match=rf"{kind} that is damaged|[Tt]runcated"):
        read_pictures(path, max_pixels=10**4)


@pytest.mark.parametrize(
    ("values", "options", "kind"),
    [
        (np.zeros((4, 5, 3), np.int16), {"photometric": "rgb"}, "RGB of 16 bits with a sign"),
        (np.zeros((4, 5, 3), np.float32), {"photometric": "rgb"}, "RGB of 32 bits as floats"),
        (np.zeros((4, 5), np.float16), {"photometric": "minisblack"}, "gray of 16 bits as floats"),
        (
            np.zeros((4, 5), np.uint16),
            {"photometric": "miniswhite", "byteorder": ">"},
            "gray of 16 bits whose zero is white",
        ),
    ],
)
def test_what_a_tiff_holds_that_is_not_read_is_said(
    tmp_path: Path, values: NDArray[Any], options: dict[str, Any], kind: str
) -> None:
    tifffile.imwrite(tmp_path / "x.tif", values, **options)
    with pytest.raises(ImageReadError, match=f"it is a TIFF of {kind}, which cannot be read; save it as PNG"):
        read_pictures(tmp_path / "x.tif", max_pixels=100)


def test_an_avif_of_the_general_brand_needs_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "x.avif"
    Image.fromarray(PIXELS).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"mif1" + content[12:])
    assert read_pictures(path, max_pixels=100)[0].format == "AVIF"


def test_a_bigtiff_with_high_bytes_first_is_not_called_damaged(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, bigtiff=True, byteorder=">", photometric="rgb")
    with pytest.raises(ImageReadError, match=r"it is a TIFF of BigTIFF's kind with its high bytes first, which cannot"):
        read_pictures(tmp_path / "x.tif", max_pixels=100)
