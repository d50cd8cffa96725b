"""Tests of reading what is no picture or too large a one, and of writing whole files or none."""

import errno
import io
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from srgan.pictures import Picture, PictureFormatError, read_pictures, require_writable, write_pictures
from srgan.pictures.errors import ImageReadError
from srgan.pictures.read import read_levels

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def picture(
    height: int = 8, width: int = 8, *, bits: int = 8, format: str = "PNG", alpha: float | None = None
) -> Picture:
    rgb = torch.rand(1, 3, 1, 1).expand(1, 3, height, width)
    opacity = None if alpha is None else torch.full((1, 1, height, width), alpha)
    return Picture(rgb=rgb, alpha=opacity, gray=False, bits=bits, icc_profile=None, exif=None, format=format)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("a.png", b"", "empty"), ("notes.png", b"no picture at all", "no picture"), ("missing.png", None, "not exist")],
)
def test_what_is_no_picture_is_named(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=f"{re.escape(str(tmp_path / name))}.*{reason}"):
        read_pictures(tmp_path / name, max_pixels=100)


def test_folder_named_like_a_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "album.png").mkdir()
    with pytest.raises(ImageReadError, match=re.escape(f"{tmp_path / 'album.png'} is a folder")):
        read_pictures(tmp_path / "album.png", max_pixels=100)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    "name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp", "moving.gif", "moving.webp", "deep.png"]
)
def test_truncated_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    if name == "deep.png":
        deep = replace(picture(40, 56, bits=16), rgb=torch.rand(1, 3, 40, 56))
        write_pictures(path, [deep], format="png", quality=90)
    else:
        frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
        frames[0].save(path, save_all="moving" in name, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageReadError, match=re.escape(str(path))):
        read_pictures(path, max_pixels=10**6)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_16_bit_planes_apart_are_refused_rather_than_read_at_8(tmp_path: Path, compression: str | None) -> None:
    planes = np.zeros((3, 6, 5), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate", compression=compression)
    with pytest.raises(ImageReadError, match=r"x.tif.*separate planes.*interleaved"):
        read_pictures(tmp_path / "x.tif", max_pixels=100)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_gray_with_alpha_in_planes_apart_is_refused(tmp_path: Path, compression: str | None) -> None:
    planes = np.array([np.full((6, 5), 100), np.full((6, 5), 200)], dtype=np.uint8)
    options: dict[str, Any] = {"planarconfig": "separate", "extrasamples": ["unassalpha"], "compression": compression}
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="minisblack", **options)
    with pytest.raises(ImageReadError, match=r"x.tif.*gray with alpha.*separate planes.*interleaved"):
        read_pictures(tmp_path / "x.tif", max_pixels=100)


@pytest.mark.parametrize(("bits", "key"), [(2, 2), (4, 9), (4, 15)])
def test_transparent_gray_of_few_bits_is_found(tmp_path: Path, bits: int, key: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header, row = struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0), bytes([0, key << (8 - bits)])  # the key, then 0
    parts = [(b"IHDR", header), (b"tRNS", struct.pack(">H", key)), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    (found,) = read_pictures(tmp_path / "x.png", max_pixels=100)
    assert found.alpha is not None
    assert found.alpha.flatten().tolist() == [0, 1]
    alpha = read_levels(tmp_path / "x.png", max_pixels=100).alpha
    assert alpha is not None
    assert alpha.flatten().tolist() == [0, 255]


@pytest.mark.parametrize("stream", [False, True])
def test_tiff_that_cannot_be_read_says_why_and_what_to_do(tmp_path: Path, stream: bool) -> None:
    values = np.zeros((6, 5, 2), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", extrasamples=["unassalpha"])
    source = io.BytesIO((tmp_path / "x.tif").read_bytes()) if stream else tmp_path / "x.tif"
    with pytest.raises(ImageReadError, match=r"a TIFF of gray with alpha of 16 bits.*save it as PNG"):
        read_pictures(source, max_pixels=100)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0, 2**32 - 1]], dtype=np.uint32), "16 bits.*from -1 to 0.*of 32 bits"),
        (np.array([[0, 65536]], dtype=np.uint32), "16 bits.*from 0 to 65536"),
        (np.array([[-9, 300]], dtype=np.int16), "16 bits.*from -9 to 300"),
        (np.array([[0, 255]], dtype=np.float32), r"\[0, 1\].*from 0 to 255.*/255"),
        (np.array([[-0.1, 1]], dtype=np.float32), r"\[0, 1\].*from -0.1 to 1"),
        (np.array([[0.5, np.nan]], dtype=np.float32), r"\[0, 1\].*nan"),
    ],
)
def test_gray_beyond_its_range_is_refused_rather_than_clipped(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack")
    with pytest.raises(ImageReadError, match=f"x.tif: expected .*{reason}"):
        read_pictures(tmp_path / "x.tif", max_pixels=100)


def bomb(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [1001, 100_000])
def test_bomb_is_refused_undecoded_naming_the_limit_and_its_key(tmp_path: Path, side: int) -> None:
    (tmp_path / "x.png").write_bytes(bomb(side))
    with pytest.raises(
        ImageReadError, match=f"x.png.*max_pixels=1000000.*{side}x{side}.*{16 * side**2}.*raise max_pixels"
    ):
        read_pictures(tmp_path / "x.png", max_pixels=1_000_000)


def test_limit_can_be_above_pillows_which_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_pictures(tmp_path / "x.png", max_pixels=40 * 56)[0].size == (40, 56)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_frames_count_together(tmp_path: Path) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageReadError, match="56x40 in 2 frames"):
        read_pictures(tmp_path / "x.gif", max_pixels=2 * 40 * 56 - 1)
    assert len(read_pictures(tmp_path / "x.gif", max_pixels=2 * 40 * 56)) == 2


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff", "same"])
@pytest.mark.parametrize("bits", [8, 16])
def test_streams_are_read_and_written(format: str, bits: int) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

    first, second = picture(bits=bits), Pipe()
    write_pictures(second, [first], format=format, quality=95)
    (found,) = read_pictures(io.BytesIO(second.getvalue()), max_pixels=100)
    assert (found.rgb - first.rgb).abs().max() < (0.03 if format in ("jpg", "webp") else 0.002)
    assert found.bits == (8 if format in ("jpg", "webp") else bits)


def test_empty_stream_is_named() -> None:
    with pytest.raises(ImageReadError, match="nothing came"):
        read_pictures(io.BytesIO(), max_pixels=100)


@pytest.mark.parametrize(
    ("frames", "format", "scale", "reason"),
    [
        ([picture(alpha=0.5)], "jpg", 1, "JPEG holds no transparency.*png, webp or avif"),
        ([picture(1, 16376)], "jpg", 4, "JPEG holds at most 65500 pixels a side.*65504"),
        ([picture(4096, 1)], "webp", 4, "WEBP holds at most 16383 pixels a side.*16384"),
        ([picture(format="ICNS")], "same", 1, "Cannot write ICNS; choose.*png"),
        ([picture(format="JPEG", alpha=0.5)], "same", 1, "no transparency"),
    ],
)
def test_format_that_cannot_hold_it_is_refused_with_one_that_can(
    frames: list[Picture], format: str, scale: int, reason: str
) -> None:
    with pytest.raises(PictureFormatError, match=reason):
        require_writable(frames, format=format, side=scale * max(frames[0].size))


def test_opaque_alpha_is_no_obstacle_to_a_jpeg(tmp_path: Path) -> None:
    write_pictures(tmp_path / "x.jpg", [picture(alpha=1.0)], format="jpg", quality=90)
    assert read_pictures(tmp_path / "x.jpg", max_pixels=100)[0].alpha is None


def test_webp_keeps_the_colours_of_what_cannot_be_seen(tmp_path: Path) -> None:
    rgb = torch.zeros(1, 3, 32, 64)
    rgb[:, 0, :, :32] = rgb[:, 1, :, 32:] = 1
    write_pictures(tmp_path / "x.webp", [replace(picture(32, 64, alpha=0), rgb=rgb)], format="webp", quality=90)
    (found,) = read_pictures(tmp_path / "x.webp", max_pixels=2048)
    assert (found.rgb - rgb).abs().mean() < 0.05


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range_is_named(tmp_path: Path, quality: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 100, got {quality}"):
        write_pictures(tmp_path / "x.jpg", [picture()], format="jpg", quality=quality)


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff"])
def test_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("srgan.system.files.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_pictures(tmp_path / "x", [picture()], format=format, quality=90)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_photo_takes_about_as_much_room_as_pillow_needs(tmp_path: Path) -> None:
    smooth = Image.fromarray(PIXELS).resize((560, 400), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "pillow.png")
    write_pictures(
        tmp_path / "x.png", read_pictures(tmp_path / "pillow.png", max_pixels=10**6), format="png", quality=90
    )
    assert (tmp_path / "x.png").stat().st_size < 1.05 * (tmp_path / "pillow.png").stat().st_size


def test_picture_of_many_bands_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    monkeypatch.setattr("srgan.pictures.decoded.bands._BAND_PIXELS", 150)
    for name, format in (("y.png", "png"), ("y.tif", "tiff")):
        write_pictures(tmp_path / name, read_pictures(tmp_path / "x.png", max_pixels=10**6), format=format, quality=90)
        with Image.open(tmp_path / name) as out:
            assert np.array_equal(np.array(out), PIXELS)


@pytest.mark.parametrize(("level", "seen"), [(127, 0), (129, 255)])
def test_half_transparency_is_refused_in_jpeg_and_hard_in_gif(tmp_path: Path, level: int, seen: int) -> None:
    alpha = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    alpha[..., 0] = level
    frame = replace(picture(format="GIF"), alpha=alpha)
    with pytest.raises(PictureFormatError, match="JPEG holds no transparency"):
        write_pictures(tmp_path / "x.jpg", [frame], format="jpg", quality=90)
    write_pictures(tmp_path / "x.gif", [frame], format="same", quality=90)
    with Image.open(tmp_path / "x.gif") as image:
        assert np.array(image.convert("RGBA"))[0, :, 3].tolist() == [seen] + [255] * 7
