"""Tests of srgan.data.doctor.enlargement: enlarged photos are told from soft and from compressed ones."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from srgan.data.doctor.enlargement import find_enlargement
from srgan.data.doctor.photos import luma
from srgan.pictures.rgb import read_rgb8
from tests.data.doctor.made import SAMPLE, enlarged, from_pil, textured, to_pil


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.*g")), ids=lambda path: path.name)
def test_sample_photos_are_no_enlargements_but_become_some(path: Path) -> None:
    photo = read_rgb8(path)[:, :300, :300]
    assert find_enlargement(luma(photo)) is None
    for resample in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
        found = [find_enlargement(luma(enlarged(photo, factor, resample))) for factor in (2, 3, 4)]
        assert found == [2, 3, 4], resample.name


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.*g")), ids=lambda path: path.name)
def test_reduced_or_compressed_photos_are_no_enlargements(path: Path) -> None:
    photo = to_pil(read_rgb8(path))
    half = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.BICUBIC)
    for picture in (photo, half):
        for quality in (50, 75, 95):
            picture.save(file := io.BytesIO(), "JPEG", quality=quality)
            assert find_enlargement(luma(from_pil(Image.open(file)))) is None
    assert find_enlargement(luma(from_pil(half))) is None


@pytest.mark.parametrize("blur", [1.0, 2.0])
def test_a_soft_photo_is_no_enlargement(photo: Tensor, blur: float) -> None:
    offsets = torch.arange(-6, 7).float()
    taps = torch.exp(-(offsets**2) / (2 * blur**2))
    kernel = torch.outer(taps, taps)[None, None] / taps.sum() ** 2
    soft = torch.nn.functional.conv2d(photo[:1, None].float(), kernel)[0, 0].round()
    assert find_enlargement(soft) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_soft_photo_compressed_is_no_enlargement(seed: int) -> None:
    soft = to_pil(textured(seed, width=384, height=384)).filter(ImageFilter.GaussianBlur(2))
    soft.save(file := io.BytesIO(), "JPEG", quality=50)
    assert find_enlargement(luma(from_pil(Image.open(file)))) is None
