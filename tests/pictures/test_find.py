"""Tests of srgan.pictures.find: which files of a folder are pictures, and what is said of those that are not."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan.pictures.errors import ImageReadError
from srgan.pictures.find import LeftOutWarning, find_images
from srgan.pictures.rgb import read_rgb8


def noise(height: int = 40, width: int = 56) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


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
    for name in ("a.png", "IMG_0001.CR3", "IMG_0002.CR3", "c.svg", "notes.txt", ".d.cr3"):
        (tmp_path / name).touch()
    with pytest.warns(LeftOutWarning) as told:
        assert find_images(tmp_path) == [tmp_path / "a.png"]
    assert str(told.pop(LeftOutWarning).message) == (
        "Left out 3 pictures of kinds that are not read here (2 .cr3, 1 .svg); save them as PNG or JPEG:"
        f"\n  {tmp_path}/IMG_0001.CR3\n  {tmp_path}/IMG_0002.CR3\n  {tmp_path}/c.svg"
    )
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found none.*\(2 \.cr3"):
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
def test_folder_named_like_a_picture_and_hidden_one_are_left_out(tmp_path: Path, folder: str) -> None:
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
