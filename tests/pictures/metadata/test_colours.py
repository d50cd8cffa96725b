"""Tests of colours that a file states by gAMA, cHRM, cICP or nclx instead of a profile."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from srgan.pictures import colours_lost, from_image, read_pictures, to_image
from srgan.pictures.browser_view import read_seen
from tests.pictures.chunks import Chunk, chunks_of, write_png
from tests.pictures.metadata.converted import convert

COLOUR = (200, 150, 100)
GAMMA_22, LINEAR = struct.pack(">I", 45455), struct.pack(">I", 100000)
P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
PQ = (b"cICP", bytes([9, 16, 0, 1]))
STATED = {
    "linear": [(b"gAMA", LINEAR)],
    "p3": [(b"gAMA", GAMMA_22), (b"cHRM", P3)],
    "pq": [PQ, (b"mDCV", bytes(24)), (b"cLLI", bytes(8))],
    "srgb": [(b"sRGB", b"\1"), (b"gAMA", GAMMA_22), (b"cHRM", SRGB)],
}
FORMATS = ("jpg", "webp", "avif", "tiff")


def colour_png(path: Path, chunks: list[Chunk], *, colour: tuple[int, ...] = COLOUR) -> Path:
    kind = {1: 0, 3: 2}[len(colour)]
    write_png(path, (5, 6, 8, kind), [bytes(colour) * 5] * 6, before=chunks)
    return path


def shown(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """SRGB's levels for light (IEC 61966-2-1)."""
    light = light.clip(0, 1)
    levels: NDArray[np.float64] = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return levels


def in_srgb(image: Image.Image) -> NDArray[np.float64]:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    out = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert out is not None
    pixel: NDArray[np.float64] = np.asarray(out, dtype=np.float64)[0, 0]
    return pixel


P3_TO_SRGB = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
SHOWN = {
    "linear": shown(np.array(COLOUR) / 255),
    "p3": shown(P3_TO_SRGB @ (np.array(COLOUR) / 255) ** 2.2),
}


@pytest.mark.parametrize("stated", STATED)
def test_png_to_png_keeps_what_is_stated(tmp_path: Path, stated: str) -> None:
    target = convert(colour_png(tmp_path / "x.png", STATED[stated]))
    names = [name for name, _ in chunks_of(target)]
    assert [chunk for chunk in chunks_of(target) if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")] == STATED[stated]
    assert names.index(b"IDAT") == len(STATED[stated]) + 1
    with Image.open(target) as out:
        assert out.getpixel((0, 0)) == COLOUR


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("stated", SHOWN)
def test_other_formats_get_a_profile_that_says_the_same(tmp_path: Path, stated: str, format: str) -> None:
    target = convert(colour_png(tmp_path / "x.png", STATED[stated]), format)
    with Image.open(target) as out:
        assert np.abs(in_srgb(out.convert("RGB")) - SHOWN[stated]).max() <= 4  # of JPEG's and WebP's loss


@pytest.mark.parametrize("format", ["jpg", "tiff"])
def test_linear_gray_gets_a_profile_of_gray(tmp_path: Path, format: str) -> None:
    with Image.open(convert(colour_png(tmp_path / "x.png", STATED["linear"], colour=(128,)), format)) as out:
        assert out.info["icc_profile"][16:20] == b"GRAY"
        assert np.abs(in_srgb(out) - shown(np.array(128 / 255))).max() <= 2


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chunks", [STATED["srgb"], STATED["srgb"][1:], STATED["srgb"][1:2]], ids=["all", "two", "one"])
def test_srgb_needs_no_profile(tmp_path: Path, format: str, chunks: list[Chunk]) -> None:
    with Image.open(convert(colour_png(tmp_path / "x.png", chunks), format)) as out:
        assert "icc_profile" not in out.info


@pytest.mark.parametrize(
    ("codes", "expected"), [((12, 13), P3_TO_SRGB @ ((np.array(COLOUR) / 255 + 0.055) / 1.055) ** 2.4), ((1, 13), None)]
)
def test_cicp_becomes_a_profile(tmp_path: Path, codes: tuple[int, int], expected: NDArray[np.float64] | None) -> None:
    with Image.open(convert(colour_png(tmp_path / "x.png", [(b"cICP", bytes([*codes, 0, 1]))]), "tiff")) as out:
        assert ("icc_profile" in out.info) == (expected is not None)
        if expected is not None:
            assert np.abs(in_srgb(out) - shown(expected)).max() <= 2


def test_nclx_of_an_avif_becomes_cicp(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), COLOUR).save(tmp_path / "x.avif", quality=100)
    content = (tmp_path / "x.avif").read_bytes()
    place = content.index(b"colrnclx") + 8
    (tmp_path / "x.avif").write_bytes(content[:place] + struct.pack(">HH", 12, 13) + content[place + 4 :])
    assert (b"cICP", bytes([12, 13, 0, 1])) in chunks_of(convert(tmp_path / "x.avif"))
    with Image.open(convert(tmp_path / "x.avif", "tiff")) as out:
        assert "icc_profile" in out.info


def test_plain_avif_states_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), COLOUR).save(tmp_path / "x.avif")
    assert {name for name, _ in chunks_of(convert(tmp_path / "x.avif"))} == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize("stated", ["linear", "p3"])
def test_picture_is_looked_at_in_its_colours(tmp_path: Path, stated: str) -> None:
    seen = read_seen(colour_png(tmp_path / "x.png", STATED[stated]), max_pixels=100)
    assert np.abs(seen.rows(0, 1)[0, 0] - SHOWN[stated]).max() <= 2


def test_pillow_image_gets_a_profile(tmp_path: Path) -> None:
    with Image.open(colour_png(tmp_path / "x.png", STATED["linear"])) as image:
        assert np.abs(in_srgb(to_image(from_image(image))) - SHOWN["linear"]).max() <= 1


@pytest.mark.parametrize(
    ("stated", "format", "warned"),
    [("pq", "JPEG", True), ("pq", "PNG", False), ("p3", "GIF", True), ("p3", "JPEG", False), ("srgb", "BMP", False)],
)
def test_what_a_format_cannot_say_is_told(tmp_path: Path, stated: str, format: str, warned: bool) -> None:
    (picture,) = read_pictures(colour_png(tmp_path / "x.png", STATED[stated]), max_pixels=100)
    assert (colours_lost(picture, format=format) is not None) == warned


def test_chunks_that_make_no_sense_are_no_profile(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for chunks in ([(b"gAMA", bytes(4))], [(b"cHRM", bytes(32))], [(b"cICP", b"\1")]):
            with Image.open(convert(colour_png(tmp_path / "x.png", list(chunks)), "jpg")) as out:
                assert "icc_profile" not in out.info


def test_animation_keeps_what_is_stated(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add(b"gAMA", LINEAR)
    frames = [Image.new("RGB", (5, 6), colour) for colour in (COLOUR, (1, 2, 3))]
    frames[0].save(tmp_path / "x.png", save_all=True, append_images=frames[1:], pnginfo=info)
    assert (b"gAMA", LINEAR) in chunks_of(convert(tmp_path / "x.png"))
