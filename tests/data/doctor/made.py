"""Photos for the tests of the doctor, and LR made of them in known ways."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.data import datamodule
from srgan.data.doctor.findings import Finding

SAMPLE = Path(datamodule.__file__).parents[1] / "assets" / "photos"
WIDTH, HEIGHT = 256, 192


def textured(seed: int, *, width: int = WIDTH, height: int = HEIGHT) -> Tensor:
    """A picture with the spectrum of a sharp photo: amplitude is one over frequency, and so in each colour."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    amplitude = 1 / np.maximum(frequency, 1 / max(width, height))
    noise = rng.standard_normal((4, height, width))
    planes = np.fft.ifft2(np.fft.fft2(noise) * amplitude).real
    planes = planes[:3] + 2 * planes[3]  # mostly gray, as photos are
    planes = 128 + 45 * (planes - planes.mean()) / planes.std()
    return torch.from_numpy(planes.clip(0, 255).round().astype(np.uint8))


def save(path: Path, image: Tensor, *, quality: int = 75) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path, quality=quality)
    return path


def to_pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def from_pil(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def levels(image: Tensor) -> Tensor:
    return image.clamp(0, 255).round().to(torch.uint8)


def resized(hr: Tensor, mode: str) -> Tensor:
    return levels(interpolate(hr[None].float(), scale_factor=0.25, mode=mode)[0])


def pillow(hr: Tensor, resample: Image.Resampling) -> Tensor:
    return from_pil(to_pil(hr).resize((hr.shape[2] // 4, hr.shape[1] // 4), resample))


def enlarged(photo: Tensor, factor: int, resample: Image.Resampling) -> Tensor:
    return from_pil(to_pil(photo).resize((factor * photo.shape[2], factor * photo.shape[1]), resample))


def moved_half_a_pixel(hr: Tensor) -> Tensor:
    """Half an HR pixel to the right, by the shift theorem, independent of how the doctor moves pictures."""
    phase = torch.exp(-2j * torch.pi * torch.fft.fftfreq(hr.shape[2]) * 0.5)
    return levels(torch.fft.ifft(torch.fft.fft(hr.float()) * phase).real)


def assert_close(finding: Finding, values: dict[str, float | str]) -> None:
    assert finding.values.keys() == values.keys()
    for key, value in values.items():
        assert finding.values[key] == (value if isinstance(value, str) else pytest.approx(value, rel=0.02))
