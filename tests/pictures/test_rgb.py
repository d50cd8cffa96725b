"""Tests of srgan.pictures.rgb: every kind of file as 8-bit RGB, as predicting sees it, and whole files written."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import kornia_rs
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from srgan.pictures import read_pictures
from srgan.pictures.decoded.pillow_modes import Pixels, pixels_of
from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_image, read_rgb8, to_float, to_uint8, write_image
from tests.pictures.decoded.test_depths import gray_tiff
from tests.profiles import cmyk_profile, exchanging_profile

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)
ALPHA = RNG.integers(0, 65536, (9, 7, 1), dtype=np.uint16)
HALF, DARK = np.array([0.5], np.float32), np.array([300], np.int32)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def noise(height: int = 40, width: int = 56) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def palette_image(*, transparent: bool) -> Image.Image:
    image = Image.new("P", (8, 6), 1)
    image.putpalette([0, 0, 0, *RED])
    if transparent:
        image.info["transparency"] = 1
    return image


def solid(mode: str, colour: Any) -> Callable[[], Image.Image]:
    return lambda: Image.new(mode, (8, 6), colour)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (3, 16, 16)])
def test_written_picture_is_read_back_exactly(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = to_float(torch.arange(3 * 256).reshape(shape).remainder(256).to(torch.uint8))
    write_image(tmp_path / "x.png", image)
    assert torch.equal(read_image(tmp_path / "x.png"), image.reshape(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("make", "name", "expected"),
    [
        pytest.param(solid("RGB", (1, 2, 3)), "x.png", (1, 2, 3), id="rgb"),
        pytest.param(solid("L", 100), "x.png", (100, 100, 100), id="gray"),
        pytest.param(solid("1", 1), "x.png", WHITE, id="one-bit"),
        pytest.param(lambda: palette_image(transparent=False), "x.png", RED, id="palette"),
        pytest.param(lambda: palette_image(transparent=True), "x.png", WHITE, id="transparent-palette"),
        pytest.param(solid("RGBA", (*RED, 255)), "x.png", RED, id="opaque-rgba"),
        pytest.param(solid("RGBA", (*RED, 0)), "x.png", WHITE, id="transparent-rgba"),
        pytest.param(solid("RGBA", (0, 0, 0, 51)), "x.png", (204, 204, 204), id="translucent-rgba"),
        pytest.param(solid("LA", (100, 0)), "x.png", WHITE, id="transparent-gray"),
        pytest.param(solid("LA", (100, 255)), "x.png", (100, 100, 100), id="opaque-gray"),
        pytest.param(solid("CMYK", (0, 255, 255, 0)), "x.tif", RED, id="cmyk"),
        pytest.param(solid("I;16", 32896), "x.png", (128, 128, 128), id="16-bit-png"),
        pytest.param(solid("I;16", 32896), "x.tif", (128, 128, 128), id="16-bit-tiff"),
        pytest.param(solid("F", 0.5), "x.tif", (128, 128, 128), id="float-tiff"),
    ],
)
def test_every_colour_mode_is_read_as_rgb(
    tmp_path: Path, make: Callable[[], Image.Image], name: str, expected: tuple[int, int, int]
) -> None:
    make().save(tmp_path / name)
    assert torch.equal(
        read_rgb8(tmp_path / name), torch.tensor(expected, dtype=torch.uint8).view(3, 1, 1).expand(3, 6, 8)
    )


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.tiff", "x.bmp", "X.PNG", "x.jpg", "x.jpeg", "x.webp"])
def test_every_file_format_is_read(tmp_path: Path, name: str) -> None:
    image = noise(5, 7).resize((56, 40), Image.Resampling.BICUBIC)
    image.save(tmp_path / name, quality=95)
    difference = (read_rgb8(tmp_path / name).int() - as_tensor(image).int()).abs().float().mean()
    assert difference <= (4 if name.endswith(("jpg", "jpeg", "webp")) else 0)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, undo: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise().save(tmp_path / "x.png", exif=exif)
    assert torch.equal(read_rgb8(tmp_path / "x.png"), as_tensor(noise().transpose(undo)))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("a.png", b"", "empty"), ("notes.png", b"no picture at all", "no picture"), ("missing.png", None, "not exist")],
)
def test_what_is_no_picture_is_named(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageReadError, match=f"{re.escape(str(path))}.*{reason}"):
        read_rgb8(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_16_bit_planes_apart_are_refused_rather_than_misread(tmp_path: Path, compression: str | None) -> None:
    planes = np.random.default_rng(0).integers(0, 65536, (3, 8, 10), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate", compression=compression)
    with pytest.raises(ImageReadError, match=r"x\.tif.*separate planes.*interleaved"):
        read_rgb8(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("values", "value", "message"),
    [
        *((HALF, value, rf"expected .*floats in \[0, 1\].* to {value:g};") for value in (1.02, 255.0, np.inf, np.nan)),
        *((DARK, value, rf"expected gray of 16 bits.*{value}") for value in (-9, 65536)),
    ],
)
def test_values_out_of_range_are_refused_rather_than_clipped(
    tmp_path: Path, values: Any, value: float, message: str
) -> None:
    values = np.tile(values, (6, 8))
    values[2, 3] = value
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(ImageReadError, match=rf"x\.tif: {message}"):
        read_rgb8(tmp_path / "x.tif")


def test_16_bits_whose_zero_is_white_are_turned_round(tmp_path: Path) -> None:
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1285  # five levels of 257 apart
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="miniswhite")
    expected = 255 - np.arange(48).reshape(6, 8) * 5
    assert read_rgb8(tmp_path / "x.tif")[0].tolist() == expected.tolist()


@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")  # Pillow, of a TIFF, before it gives up
@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp"])
def test_truncated_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    noise().save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageReadError, match=re.escape(str(path))):
        read_rgb8(path)


def test_values_are_clamped_and_rounded_to_the_nearest_level() -> None:
    levels = torch.tensor([-1.0, 0.49 / 255, 0.51 / 255, 99.6 / 255, 1.0, 7.0])
    assert to_uint8(levels).tolist() == [0, 0, 1, 100, 255, 255]


def test_missing_folders_are_made_and_the_file_has_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.png"
    write_image(path, torch.zeros(1, 3, 4, 4))
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "x.png", torch.ones(1, 3, 4, 4))

    def fail(image: Image.Image, file: BinaryIO, **options: object) -> None:
        file.write(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_image(tmp_path / "x.png", torch.zeros(1, 3, 4, 4))
    assert list(tmp_path.iterdir()) == [tmp_path / "x.png"]
    assert read_image(tmp_path / "x.png").min() == 1


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


def test_a_cut_16_bit_file_is_named(tmp_path: Path) -> None:
    kornia_rs.io.write_image_png_u16(str(tmp_path / "x.png"), COLOURS, "rgb")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-60])
    with pytest.raises(ImageReadError, match=r"x\.png"):
        read_rgb8(tmp_path / "x.png")


def with_alpha(values: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values.reshape(*values.shape[:2], -1), alpha], axis=-1)


def turned(path: Path, values: NDArray[Any], turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(values).save(path, exif=exif, quality=95)


SMALL = COLOURS.astype(np.uint8)
GRAYS, GRAY_ALPHAS = SMALL[..., 0], with_alpha(SMALL[..., 0], ALPHA.astype(np.uint8))
KINDS: dict[str, Callable[[Path], object]] = {
    "cmyk-with-profile.tif": lambda path: Image.fromarray(with_alpha(SMALL, GRAY_ALPHAS[..., 1:]), "CMYK").save(
        path, icc_profile=cmyk_profile()
    ),
    "cmyk.jpg": lambda path: Image.fromarray(SMALL).convert("CMYK").save(path),
    "rgb-with-profile.png": lambda path: Image.fromarray(SMALL).save(path, icc_profile=exchanging_profile()),
    "gray.png": lambda path: Image.fromarray(GRAYS).save(path),
    "gray-alpha.png": lambda path: Image.fromarray(GRAY_ALPHAS).save(path),
    "rgba.webp": lambda path: Image.fromarray(with_alpha(SMALL, GRAY_ALPHAS[..., 1:])).save(path),
    "palette.png": lambda path: Image.fromarray(SMALL).quantize(9).save(path, transparency=bytes(range(0, 252, 28))),
    "gray-2-bits.png": lambda path: Image.fromarray(GRAYS).quantize(4).convert("L").save(path, bits=2),
    "16-bit.png": lambda path: kornia_rs.io.write_image_png_u16(str(path), COLOURS, "rgb"),
    "16-bit-alpha.tif": lambda path: tifffile.imwrite(
        path, with_alpha(COLOURS, ALPHA), photometric="rgb", extrasamples=["unassalpha"]
    ),
    "16-bit-gray.tif": lambda path: tifffile.imwrite(path, ALPHA[..., 0], photometric="minisblack"),
    "16-bit-white-is-zero.tif": lambda path: tifffile.imwrite(path, ALPHA[..., 0], photometric="miniswhite"),
    "12-bit.tif": lambda path: gray_tiff(path, np.arange(63).reshape(9, 7) * 65, 12),
    "turned-5.jpg": lambda path: turned(path, SMALL, 5),
    "turned-6.png": lambda path: turned(path, SMALL, 6),
    "turned-8.tif": lambda path: turned(path, SMALL, 8),
}


@pytest.mark.parametrize("name", KINDS)
def test_training_sees_what_predicting_sees(tmp_path: Path, name: str) -> None:
    KINDS[name](tmp_path / name)
    (picture,) = read_pictures(tmp_path / name, max_pixels=100)
    seen = picture.rgb[0].double()
    if picture.alpha is not None:
        share = picture.alpha[0].double()
        seen = seen * share + 1 - share
    difference = read_rgb8(tmp_path / name).double() - seen * 255
    assert difference.abs().max() <= 0.5 + 1e-4  # the nearest of 256 levels
    assert tuple(difference.shape[1:]) == picture.size


def test_cmyk_is_not_read_by_the_plain_formula(tmp_path: Path) -> None:
    Image.new("CMYK", (5, 6), (255, 0, 0, 0)).save(tmp_path / "x.tif", icc_profile=cmyk_profile())
    pixels = read_rgb8(tmp_path / "x.tif").int()
    assert (pixels - pixels[:1]).abs().max() <= 1  # gray by the profile, cyan without


def test_a_preview_before_the_picture_is_passed_over(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(SMALL[:3, :3], photometric="rgb", subfiletype=1)
        file.write(SMALL, photometric="rgb")
    assert torch.equal(read_rgb8(tmp_path / "x.tif"), torch.from_numpy(SMALL).permute(2, 0, 1))


def test_threads_decode_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(SMALL).save(tmp_path / "x.png")
    both = threading.Barrier(2, timeout=20)

    def meet(image: Image.Image) -> Pixels:
        both.wait()
        return pixels_of(image)

    monkeypatch.setattr("srgan.pictures.read.pixels_of", meet)
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert len(list(pool.map(read_rgb8, [tmp_path / "x.png"] * 2))) == 2
