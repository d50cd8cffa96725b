"""Tests of files with more than one picture: animations and pages."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageSequence
from torch import Tensor

from srgan.inference.channels import upscale_picture
from srgan.pictures import PictureFormatError, read_pictures, write_pictures

SUFFIXES = {"png": ".png", "webp": ".webp", "avif": ".avif", "tiff": ".tif", "same": ".gif", "jpg": ".jpg"}
DURATIONS = [50, 70, 200]


def enlarge(lr: Tensor, *, bits: int) -> Tensor:
    """Each pixel four by four times, in the file's own levels."""
    levels: Tensor = (lr * (2**bits - 1)).round().to(torch.uint8 if bits == 8 else torch.uint16)
    return levels.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


def moving_square(mode: str) -> list[Image.Image]:
    """A red square that moves over what is clear or black, 16 pixels at a time."""
    frames = []
    for index in range(3):
        frame = Image.new(mode, (48, 16))
        frame.paste((255, 0, 0, 255)[: len(mode)], (16 * index, 0, 16 * index + 16, 16))
        frames.append(frame)
    return frames


def save(path: Path, frames: list[Image.Image], **options: Any) -> Path:
    if path.suffix == ".gif" and frames[0].mode == "RGBA":
        options["disposal"] = 2
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


def convert(source: Path, format: str) -> Path:
    target = source.parent / "out" / f"x{SUFFIXES[format]}"
    frames = [
        upscale_picture(frame, partial(enlarge, bits=frame.bits)) for frame in read_pictures(source, max_pixels=10**6)
    ]
    write_pictures(target, frames, format=format, quality=95)
    return target


@pytest.mark.parametrize("loop", [0, 3])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("source", ["x.gif", "x.png", "x.webp"])
@pytest.mark.parametrize("format", ["same", "png", "webp"])
def test_every_frame_is_kept_with_durations_and_loop(
    tmp_path: Path, source: str, format: str, mode: str, loop: int
) -> None:
    options = {"lossless": True, "kmax": 1} if source == "x.webp" else {}
    path = save(tmp_path / source, moving_square(mode), duration=DURATIONS, loop=loop, **options)
    durations = []
    with Image.open(convert(path, format)) as out:
        assert out.info["loop"] == loop
        assert getattr(out, "n_frames", 1) == 3
        for frame, square in zip(ImageSequence.Iterator(out), moving_square("RGBA"), strict=True):
            frame.load()  # a WebP says how long only then
            durations.append(frame.info["duration"])
            found, expected = np.array(frame.convert("RGBA")), np.array(square.resize((192, 64), 0))
            assert np.abs(found[..., :3].astype(int) * (found[..., 3:] > 0) - expected[..., :3]).mean() < 8
            assert mode == "RGB" or np.array_equal(found[..., 3], expected[..., 3])
    assert durations == DURATIONS


def test_an_avif_keeps_frames_and_durations_but_no_loop(tmp_path: Path) -> None:
    path = save(tmp_path / "x.gif", moving_square("RGBA"), duration=DURATIONS, loop=3)
    frames = read_pictures(convert(path, "avif"), max_pixels=10**6)
    assert [frame.duration for frame in frames] == DURATIONS
    assert [frame.size for frame in frames] == [(64, 192)] * 3
    assert all(frame.alpha is not None for frame in frames)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_profile_of_an_animation_is_kept(tmp_path: Path, format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "x.png", moving_square("RGB"), icc_profile=profile)
    with Image.open(convert(path, format)) as out:
        assert out.info["icc_profile"] == profile


def test_gif_that_plays_once_still_does(tmp_path: Path) -> None:
    path = save(tmp_path / "x.gif", moving_square("RGB"), duration=DURATIONS)
    with Image.open(convert(path, "webp")) as out:
        assert out.info["loop"] == 1
    with Image.open(convert(path, "same")) as out:
        assert "loop" not in out.info


def test_still_for_programs_without_apng_is_no_frame(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", moving_square("RGB"), duration=DURATIONS, default_image=True)
    assert len(read_pictures(path, max_pixels=10**6)) == 2


def test_pages_keep_their_sizes_and_depths(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (7, 5), dtype=np.uint16)
    path = save(tmp_path / "x.tif", [Image.new("RGB", (3, 4), (1, 2, 3)), Image.fromarray(deep)], dpi=(72, 72))
    with Image.open(convert(path, "tiff")) as out:
        assert getattr(out, "n_frames", 1) == 2
        assert (out.size, out.getpixel((0, 0))) == ((12, 16), (1, 2, 3))
        out.seek(1)
        assert np.array_equal(np.array(out), deep.repeat(4, axis=0).repeat(4, axis=1))


def test_preview_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    preview = Image.new("RGB", (1, 1))
    page = Image.new("RGB", (8, 8))
    page.encoderinfo, preview.encoderinfo = {}, {"tiffinfo": {254: 1}}
    path = save(tmp_path / "x.tif", [page, preview])
    assert [picture.size for picture in read_pictures(path, max_pixels=100)] == [(8, 8)]


def test_phone_pictures_give_the_picture_alone(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 8)), Image.new("RGB", (4, 2))]
    frames[0].save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=frames[1:])
    (picture,) = read_pictures(tmp_path / "x.jpg", max_pixels=200)
    assert (picture.size, picture.format) == ((8, 16), "JPEG")


@pytest.mark.parametrize(
    ("source", "format", "advice"),
    [
        ("x.gif", "jpg", "png, webp or avif"),
        ("x.gif", "tiff", "png, webp or avif"),
        ("x.tif", "png", "tiff"),
        ("x.tif", "webp", "tiff"),
    ],
)
def test_format_without_room_for_the_frames_is_refused(tmp_path: Path, source: str, format: str, advice: str) -> None:
    path = save(tmp_path / source, moving_square("RGB"))
    with pytest.raises(PictureFormatError, match=f"3.*choose format={advice}"):
        convert(path, format)
    assert not (tmp_path / "out").exists()
