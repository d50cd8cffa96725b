"""Tests of what goes with the pixels: orientation, EXIF, profile, resolution."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from srgan.pictures import read_pictures
from tests.pictures.metadata.converted import SUFFIXES, convert
from tests.profiles import cmyk_profile

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
ORIENTATION = ExifTags.Base.Orientation
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_of_a_camera(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ORIENTATION] = "Câmera".encode().decode("latin-1"), orientation
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExposureTime], details[ExifTags.Base.DateTimeOriginal] = 0.125, "2024:02:29 12:00:00"
    details[0xA002], details[0xA003] = 5, 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_orientation_is_applied_once_and_reset(tmp_path: Path, suffix: str, orientation: int) -> None:
    Image.fromarray(PIXELS).save(tmp_path / f"x{suffix}", exif=exif_of_a_camera(orientation))
    with Image.open(tmp_path / f"x{suffix}") as source:
        upright = np.array(ImageOps.exif_transpose(source))
    with Image.open(convert(tmp_path / f"x{suffix}")) as out:
        assert np.array_equal(np.array(out), upright.repeat(4, axis=0).repeat(4, axis=1))
        assert ORIENTATION not in out.getexif()


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_other_exif_is_kept_between_all_formats(tmp_path: Path, source: str, target: str) -> None:
    path = tmp_path / f"x{SUFFIXES[source]}"
    Image.fromarray(PIXELS).save(path, exif=exif_of_a_camera(6))
    with Image.open(convert(path, target)) as out:
        exif = out.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert exif[ExifTags.Base.Make].startswith("C")
        assert exif.get(ORIENTATION, 1) == 1
        assert details[ExifTags.Base.ExposureTime] == 0.125
        assert details[ExifTags.Base.DateTimeOriginal] == "2024:02:29 12:00:00"
        assert (details[0xA002], details[0xA003]) == out.size == (24, 20)
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        out.load()


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_profile_and_resolution_are_carried_over(tmp_path: Path, source: str, target: str) -> None:
    path = tmp_path / f"x{SUFFIXES[source]}"
    Image.fromarray(PIXELS).save(path, icc_profile=SRGB, **with_resolution(source))
    (picture,) = read_pictures(convert(path, target), max_pixels=10**6)
    assert picture.icc_profile == SRGB
    assert picture.dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize(
    "options", [{}, {"x_resolution": 72.0, "y_resolution": 72.0, "resolution_unit": 1}], ids=["none", "no unit"]
)
@pytest.mark.parametrize("target", ["png", "tiff"])
def test_a_tiff_without_a_resolution_gets_none(tmp_path: Path, target: str, options: dict[str, Any]) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.tif", **options)
    assert read_pictures(tmp_path / "x.tif", max_pixels=100)[0].dpi is None
    (picture,) = read_pictures(convert(tmp_path / "x.tif", target), max_pixels=10**6)
    assert picture.dpi is None


def with_resolution(format: str) -> dict[str, Any]:
    if format not in ("webp", "avif"):
        return {"dpi": (300, 150)}
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = 300 / 2.54, 150 / 2.54
    exif[ExifTags.Base.ResolutionUnit] = 3  # centimetres
    return {"exif": exif}


@pytest.mark.parametrize("target", SUFFIXES)
def test_profile_of_other_colours_is_left_out(tmp_path: Path, target: str) -> None:
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "x.png", icc_profile=SRGB)  # RGB profile, gray picture
    with Image.open(convert(tmp_path / "x.png", target)) as out:
        assert ("icc_profile" in out.info) == (target in ("webp", "avif"))  # which are RGB always


def test_cmyk_goes_through_its_profile(tmp_path: Path) -> None:
    Image.new("CMYK", (5, 6), (255, 0, 0, 0)).save(tmp_path / "x.tif", icc_profile=cmyk_profile())
    (picture,) = read_pictures(tmp_path / "x.tif", max_pixels=100)
    red, green, blue = picture.rgb[0, :, 0, 0].tolist()
    assert max(abs(red - green), abs(blue - green)) < 0.01  # cyan by the plain formula
    assert 0.6 < green < 0.9
    assert picture.icc_profile is None


def test_cmyk_with_an_unusable_profile_is_converted_without(tmp_path: Path) -> None:
    Image.new("CMYK", (5, 6), (0, 255, 255, 0)).save(tmp_path / "x.tif", icc_profile=SRGB)  # of RGB: does not fit
    (picture,) = read_pictures(tmp_path / "x.tif", max_pixels=100)
    assert picture.rgb[0, :, 0, 0].tolist() == [1, 0, 0]


def test_broken_exif_does_not_refuse_the_picture(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\0broken")
    assert read_pictures(tmp_path / "x.jpg", max_pixels=100)[0].exif is None
