"""Tests of HEIC and JPEG XL: read with all they say where their packages are, and named where these are not."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 # Pillow writes JPEG XL with it
import pytest
from PIL import ExifTags, Image, ImageCms

from srgan.pictures import find, read_pictures
from srgan.pictures.errors import ImageReadError
from srgan.pictures.extra_kinds import jpeg_xl_pixels
from srgan.pictures.rgb import read_rgb8

pillow_heif.register_heif_opener()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# How cjxl begins black pictures, by the number of their pixels.
HEADERS = {
    8 * 8: "ff0a41404271210012080100",
    300 * 200: "ff0a31414271210012080100",
    1920 * 1080: "ff0aba210509c58500120801",
    264 * 256: "ff0af8070e8284e242001208",
    257 * 1000: "ff0a3a1f002048282e040012",
}


def smooth(height: int = 40, width: int = 56) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    kind = "HEIF" if path.suffix == ".heic" else "JXL"
    image.save(path, kind, **({"quality": 95} if kind == "HEIF" else {"lossless": True}), **options)
    return path


@pytest.mark.parametrize("name", ["x.heic", "x.jxl"])
def test_they_are_found_and_read_with_exif_and_profile(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera"
    profile = {"icc_profile": SRGB} if name == "x.heic" else {}  # the other's writer takes none
    path = save(tmp_path / name, smooth(), exif=exif.tobytes(), **profile)
    assert find.find_images(tmp_path) == [path]
    (picture,) = read_pictures(path, max_pixels=10**4)
    assert picture.size == (40, 56)
    assert b"Kamera" in (picture.exif or b"")
    assert picture.icc_profile is not None
    found, expected = picture.rgb[0].permute(1, 2, 0).numpy() * 255, np.array(smooth(), dtype=float)
    assert np.abs(found - expected).mean() < 5
    assert read_rgb8(path).shape == (3, 40, 56)
    assert read_pictures(io.BytesIO(path.read_bytes()), max_pixels=10**4)[0].size == (40, 56)


@pytest.mark.parametrize("name", ["x.heic", "x.jxl"])
def test_alpha_is_read(tmp_path: Path, name: str) -> None:
    image = smooth().convert("RGBA")
    image.putalpha(100)
    (picture,) = read_pictures(save(tmp_path / name, image), max_pixels=10**4)
    assert picture.alpha is not None
    assert abs(picture.alpha.mean().item() * 255 - 100) < 2


def test_heic_of_ten_bits_keeps_them_and_its_white(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 512).astype(np.uint16)[None, :, None], (64, 1, 3))
    heif = pillow_heif.from_bytes(mode="RGB;16", size=(512, 64), data=ramp.tobytes())
    heif.save(tmp_path / "x.heic", quality=100, chroma=444)
    (picture,) = read_pictures(tmp_path / "x.heic", max_pixels=10**6)
    assert picture.bits == 16
    assert picture.rgb.max() == 1
    assert len(set(picture.rgb[0, 1, 5].tolist())) > 300  # of 8 bits no more than 256


def test_a_turned_heic_comes_upright_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    (picture,) = read_pictures(save(tmp_path / "x.heic", smooth(), exif=exif.tobytes()), max_pixels=10**4)
    assert picture.size == (56, 40)
    assert not picture.exif or Image.Exif().get(ExifTags.Base.Orientation) is None


def test_the_main_picture_of_a_heic_need_not_be_the_first(tmp_path: Path) -> None:
    heif = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    heif.add_from_pillow(Image.new("RGB", (64, 64), "red"))
    heif.add_from_pillow(Image.new("RGB", (80, 64), "lime"))
    heif.save(tmp_path / "x.heic", primary_index=1)
    assert read_pictures(tmp_path / "x.heic", max_pixels=10**4)[0].size == (64, 80)
    assert read_rgb8(tmp_path / "x.heic").shape == (3, 64, 80)


@pytest.mark.parametrize("name", ["x.heic", "x.jxl"])
def test_too_large_is_refused_before_it_is_decoded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / name, smooth())
    monkeypatch.setattr("pillow_jxl.JpegXLImagePlugin.Decoder", None)
    with pytest.raises(ImageReadError, match=r"at most max_pixels=100 .*raise max_pixels"):
        read_pictures(path, max_pixels=100)


@pytest.mark.parametrize("pixels", HEADERS)
def test_the_size_of_a_jpeg_xl_stands_in_its_head(pixels: int) -> None:
    head = bytes.fromhex(HEADERS[pixels])
    assert jpeg_xl_pixels(io.BytesIO(head + bytes(20))) == pixels
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + b"\0\0\0\x40jxlp\0\0\0\0"
    assert jpeg_xl_pixels(io.BytesIO(boxed + head + bytes(40))) == pixels
    assert jpeg_xl_pixels(io.BytesIO(boxed[:30])) == 0


@pytest.mark.parametrize("name", ["x.heic", "x.jxl"])
def test_a_cut_file_is_said_to_be_damaged(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth(256, 256))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for read in (lambda path: read_pictures(path, max_pixels=10**6), read_rgb8):
        with pytest.raises(ImageReadError, match=rf"{name}: .*(damaged|truncated|end of|invalid)"):
            read(path)


@pytest.mark.parametrize(
    ("name", "package", "kind"),
    [("x.heic", "pillow_heif", "a HEIC picture"), ("x.jxl", "pillow_jxl", "a JPEG XL picture")],
)
def test_without_its_package_the_extra_is_named(
    tmp_path: Path, name: str, package: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / name, smooth())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImageReadError, match=rf"it is {kind}: install the extra `formats` \(pip install 'srgan\[f"):
        read_pictures(path, max_pixels=10**4)
    monkeypatch.setattr(find, "EXTENSIONS", find.EXTENSIONS - {".heic", ".jxl"})
    told = find.left_out([path, tmp_path / "y.svg"], taken=find.EXTENSIONS)
    assert told is not None
    assert f"1 {path.suffix}, 1 .svg); save them as PNG or JPEG, or install the extra `formats`" in told
    assert "formats" not in (find.left_out([tmp_path / "y.svg"], taken=find.EXTENSIONS) or "formats")
