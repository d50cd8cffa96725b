"""Tests of pictures as they are seen: against Pillow's own resizing and conversion, and numbers by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from srgan.pictures.browser_view import Seen, read_seen, reduce_rows
from srgan.pictures.decoded.pillow_modes import Pixels
from srgan.pictures.errors import ImageReadError
from tests.profiles import exchanging_profile, srgb_profile

RANDOM = np.random.default_rng(0)


def seen(path: Path) -> NDArray[Any]:
    """All rows in levels, (H, W, 3), and the same as floats."""
    picture = read_seen(path, max_pixels=10**6)
    rows = picture.rows(0, picture.size[0])
    assert torch.allclose(picture.whole()[0].permute(1, 2, 0), torch.from_numpy(rows.copy()) / 255)
    return rows


def test_what_is_transparent_is_seen_on_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[200, 100, 0, 255], [200, 100, 0, 51], [200, 100, 0, 0]]], np.uint8)).save(
        tmp_path / "a.png"
    )
    assert seen(tmp_path / "a.png").tolist() == [[[200, 100, 0], [244, 224, 204], [255, 255, 255]]]
    Image.fromarray(np.array([[[100, 51], [100, 255]]], np.uint8), "LA").save(tmp_path / "b.png")
    assert seen(tmp_path / "b.png").tolist() == [[[224] * 3, [100] * 3]]


def test_sixteen_bits_are_rounded_and_not_cut(tmp_path: Path) -> None:
    values = np.array([[0, 127, 129, 65535], [300, 400, 257 * 99 + 128, 257 * 99 + 129]], np.uint16)
    expected = np.array([[0, 0, 1, 255], [1, 2, 99, 100]])
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([values] * 3, axis=-1), photometric="rgb")
    Image.fromarray(values).save(tmp_path / "gray.png")
    for name in ("rgb.tif", "gray.png"):
        assert np.array_equal(seen(tmp_path / name), np.stack([expected] * 3, axis=-1))


def test_the_first_frame_is_seen_upright(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert np.array_equal(seen(tmp_path / "a.png"), np.array(frames[0]))
    values = RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "b.png", exif=exif)
    assert np.array_equal(seen(tmp_path / "b.png"), np.rot90(values, -1))


def test_colours_of_another_profile_are_seen_in_srgb(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    for name, profile in (("sRGB", srgb_profile()), ("wide", exchanging_profile())):
        Image.fromarray(values).save(tmp_path / f"{name}.png", icc_profile=profile)
    assert np.array_equal(seen(tmp_path / "sRGB.png"), values)
    exchanged = seen(tmp_path / "wide.png").astype(int)
    assert np.abs(exchanged - values[..., [1, 0, 2]]).max() <= 2


@pytest.mark.parametrize(
    "broken", [b"no profile at all", exchanging_profile()[:200], b"\0" * 16 + b"RGB " + b"\0" * 200]
)
def test_a_senseless_profile_is_left_out_of_account(tmp_path: Path, broken: bytes) -> None:
    values = RANDOM.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=broken)
    assert np.array_equal(seen(tmp_path / "a.png"), values)


def test_gray_goes_through_a_profile_of_gray_only() -> None:
    values = RANDOM.integers(0, 256, (5, 6, 1), dtype=np.uint8)
    assert np.array_equal(Seen(Pixels(values, None, 8, exchanging_profile())).rows(0, 5), np.repeat(values, 3, axis=-1))


@pytest.mark.parametrize("size", [(300, 400), (2999, 31), (64, 1500)])
def test_a_picture_is_reduced_as_pillow_reduces_it_whole(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan.pictures.browser_view._BAND_PIXELS", 20_000)
    values = RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)
    asked: list[int] = []

    def rows(first: int, last: int) -> NDArray[np.uint8]:
        asked.append(last - first)
        return values[first:last]

    small = reduce_rows(rows, size, max_pixels=15_000)
    assert 14_000 < small.shape[-2] * small.shape[-1] < 16_000
    whole = Image.fromarray(values).resize((small.shape[-1], small.shape[-2]), Image.Resampling.LANCZOS)
    assert np.abs((small[0] * 255).round().permute(1, 2, 0).numpy() - np.array(whole)).max() <= 1
    assert max(asked) < size[0]


def test_a_small_picture_is_left_as_it_is() -> None:
    values = RANDOM.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    small = reduce_rows(lambda first, last: values[first:last], (5, 6), max_pixels=30)
    assert np.array_equal((small[0] * 255).round().permute(1, 2, 0).numpy(), values)


def test_too_large_a_picture_is_named_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "a.png")
    with pytest.raises(
        ImageReadError, match=r"^Cannot read \S*a\.png: expected at most 199 pixels, .*20x10.* raise max_pixels\.$"
    ):
        read_seen(tmp_path / "a.png", max_pixels=199)
    with pytest.raises(ImageReadError, match="is a folder"):
        read_seen(tmp_path, max_pixels=199)


def test_pillow_s_own_limit_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_seen(tmp_path / "a.png", max_pixels=200).size == (10, 20)
