"""Tests of srgan.pictures.rgb: every kind of file that users have, and writing a whole file or none."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from srgan.pictures.errors import ImageReadError
from srgan.pictures.find import LeftOutWarning, find_images
from srgan.pictures.rgb import read_image, read_rgb8, to_float, to_uint8, write_image

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
        pytest.param(solid("L", 100), "x.png", (100, 100, 100), id="grey"),
        pytest.param(solid("1", 1), "x.png", WHITE, id="one-bit"),
        pytest.param(lambda: palette_image(transparent=False), "x.png", RED, id="palette"),
        pytest.param(lambda: palette_image(transparent=True), "x.png", WHITE, id="transparent-palette"),
        pytest.param(solid("RGBA", (*RED, 255)), "x.png", RED, id="opaque-rgba"),
        pytest.param(solid("RGBA", (*RED, 0)), "x.png", WHITE, id="transparent-rgba"),
        pytest.param(solid("RGBA", (0, 0, 0, 51)), "x.png", (204, 204, 204), id="translucent-rgba"),
        pytest.param(solid("LA", (100, 0)), "x.png", WHITE, id="transparent-grey"),
        pytest.param(solid("LA", (100, 255)), "x.png", (100, 100, 100), id="opaque-grey"),
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


def test_a_link_to_what_is_not_there_is_found_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "unmounted" / "a.png")
    assert find_images(tmp_path) == [tmp_path / "a.png"]
    with pytest.raises(ImageReadError, match=r"a\.png does not exist"):
        read_rgb8(tmp_path / "a.png")


def test_pictures_of_all_kinds_that_are_read_are_found(tmp_path: Path) -> None:
    names = ["a.avif", "b.jfif", "c.jpe", "d.jp2", "e.j2k", "f.pgm", "g.ppm", "h.PBM"]
    for name in names:
        kind = {".jfif": "JPEG", ".jpe": "JPEG"}.get(Path(name).suffix)
        noise().convert("1" if name == "h.PBM" else "L" if name == "f.pgm" else "RGB").save(tmp_path / name, kind)
    assert [path.name for path in find_images(tmp_path)] == names
    assert all(read_rgb8(tmp_path / name).shape[0] == 3 for name in names)


def test_pictures_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    for name in ("a.png", "IMG_0001.HEIC", "IMG_0002.HEIC", "c.jxl", "notes.txt", ".d.heic"):
        (tmp_path / name).touch()
    with pytest.warns(LeftOutWarning) as told:
        assert find_images(tmp_path) == [tmp_path / "a.png"]
    assert str(told.pop(LeftOutWarning).message) == (
        "Left out 3 pictures of kinds that are not read here (2 .heic, 1 .jxl); save them as PNG or JPEG:"
        f"\n  {tmp_path}/IMG_0001.HEIC\n  {tmp_path}/IMG_0002.HEIC\n  {tmp_path}/c.jxl"
    )
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found none.*\(2 \.heic"):
        find_images(tmp_path)


def test_closed_folders_are_named(tmp_path: Path, closed_folder: Callable[[Path], None]) -> None:
    for name in ("a.png", "closed/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    closed_folder(tmp_path / "closed")
    with pytest.warns(LeftOutWarning, match=r"Left out 1 folders under .*\n  .*closed: Permission denied"):
        assert find_images(tmp_path) == [tmp_path / "a.png"]
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found none.*\n  .*closed: Permission denied"):
        find_images(tmp_path)


@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")  # Pillow, of a TIFF, before it gives up
@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp"])
def test_truncated_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    noise().save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageReadError, match=re.escape(str(path))):
        read_rgb8(path)


def test_pictures_are_found_recursively_and_sorted(tmp_path: Path) -> None:
    names = ["a/deep/3.jpeg", "a/ähre ☂.png", "b/1.JPG", "b.tiff"]
    for name in [*names, ".hidden.png", "a/._b.png", "a/notes.txt", "a/png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert found == sorted(found)
    assert {path.relative_to(tmp_path).as_posix() for path in found} == set(names)


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    for name in ("root/b/1.png", "elsewhere/2.png", "elsewhere/c/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for link, target in {
        "root/a": "root/b",  # comes first by name, and yet b keeps its own
        "root/b/up": "root",
        "root/out": "elsewhere",
        "root/out_again": "elsewhere/c",
        "elsewhere/back": "root",
        "root/4.png": "elsewhere/2.png",
        "root/gone": "nowhere",
        "root/gone.png": "nowhere.png",
        "root/.hidden": "elsewhere",
    }.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    found = [path.relative_to(tmp_path / "root").as_posix() for path in find_images(tmp_path / "root")]
    assert found == ["4.png", "b/1.png", "gone.png", "out/2.png", "out/c/3.png"]  # reading gone.png says what it is


def test_a_root_that_is_a_link_or_hidden_is_searched(tmp_path: Path) -> None:
    (tmp_path / ".photos").mkdir()
    (tmp_path / ".photos" / "1.png").touch()
    (tmp_path / "link").symlink_to(".photos")
    assert find_images(tmp_path / "link") == [tmp_path / "link" / "1.png"]
    assert find_images(tmp_path / ".photos") == [tmp_path / ".photos" / "1.png"]


@pytest.mark.parametrize("folder", ["album.png", ".thumbnails"])
def test_folder_named_like_a_picture_and_hidden_folder_are_left_out(tmp_path: Path, folder: str) -> None:
    (tmp_path / "x.png").touch()
    (tmp_path / folder).mkdir()
    if folder == ".thumbnails":
        (tmp_path / folder / "small.png").touch()
    assert find_images(tmp_path) == [tmp_path / "x.png"]


@pytest.mark.parametrize(
    ("name", "reason"), [("missing", "does not exist"), ("file.png", "is a file"), ("empty", "found none")]
)
def test_folder_without_pictures_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file.png").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path / name))}.*{reason}"):
        find_images(tmp_path / name)


def test_values_are_clamped_and_rounded_to_the_nearest_level() -> None:
    levels = torch.tensor([-1.0, 0.49 / 255, 0.51 / 255, 99.6 / 255, 1.0, 7.0])
    assert to_uint8(levels).tolist() == [0, 0, 1, 100, 255, 255]


def test_missing_folders_are_made_and_the_file_is_as_accessible_as_any_other(tmp_path: Path) -> None:
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
