"""Tests of the scores that see texture."""

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.realism import main, measure
from benchmarks.shared.texture import colour_error, detail_energy, kernel_distance, lattice, lr_error
from srgan.networks import Generator
from srgan.weights import save_generator


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("period", "seen"), [(4, (True, False)), (2, (False, True)), (5, (False, False))])
def test_lattice_sees_periods_of_4_and_2_alone(period: int, seen: tuple[bool, bool]) -> None:
    rows, columns = torch.arange(256), torch.arange(254)
    wave = torch.cos(2 * math.pi * rows / period)[:, None] + torch.cos(2 * math.pi * columns / period)
    images = 0.5 + 0.1 * (_noise(1, 3, 256, 254) - 0.5) + 0.01 * wave
    assert tuple(value > 3 for value in lattice(images)) == seen


def test_noise_has_no_lattice() -> None:
    assert lattice(_noise(1, 3, 512, 512)) == pytest.approx((1, 1), abs=0.3)


def test_detail_is_energy_of_short_periods() -> None:
    def wave(period: int, amplitude: float) -> Tensor:
        return (0.5 + amplitude * torch.cos(2 * math.pi * torch.arange(256) / period)).expand(1, 3, 256, 256)

    assert detail_energy(wave(4, 0.2)) == pytest.approx(4 * detail_energy(wave(4, 0.1)), rel=1e-6)
    assert detail_energy(wave(32, 0.2)) < 1e-6 * detail_energy(wave(4, 0.2))


def test_kernel_distance_by_hand() -> None:
    real, fake = torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([[2.0], [0.0]]).double()
    # Scaled by the deviation of the originals, the square root of 2: ±s with s² = 1/2, and 2s, 0.
    within_real, within_fake = (-0.5 + 1) ** 3, 1.0
    across = sum((product + 1) ** 3 for product in (1, 0, -1, 0)) / 4
    assert kernel_distance(real, fake) == pytest.approx(1000 * (within_real + within_fake - 2 * across), rel=1e-4)


def test_kernel_distance_of_one_distribution_is_near_0() -> None:
    draws = [torch.randn(400, 8, generator=torch.Generator().manual_seed(seed)).double() for seed in range(2)]
    assert abs(kernel_distance(draws[0], draws[1])) < 20
    assert kernel_distance(draws[0], draws[1] + 1) > 500


def test_errors_are_in_255ths() -> None:
    hr = torch.full((1, 3, 8, 8), 0.5)
    sr = hr + torch.tensor([0.0, 2.0, -1.0]).view(1, 3, 1, 1) / 255
    assert colour_error(sr, hr) == pytest.approx(2, abs=1e-3)
    assert lr_error(sr, hr) == pytest.approx(math.sqrt(5 / 3), abs=1e-3)


def test_weights_are_measured_photo_by_photo(tmp_path: Path) -> None:
    weights = tmp_path / "generator.safetensors"
    save_generator(weights, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic"))
    pictures: list[dict[str, Any]] = [
        {"lr": _noise(1, 3, 16, 12), "hr": _noise(1, 3, 64, 48, seed=n), "name": [str(n)]} for n in range(3)
    ]
    figures, sheet = measure([str(weights)], pictures, Judge())
    assert set(figures) == {"bicubic", str(weights)}
    by_photo = dict(figures["bicubic"])
    mean = by_photo.pop("mean")
    assert set(by_photo) == {"0", "1", "2"}
    assert mean["PSNR"] == pytest.approx(sum(each["PSNR"] for each in by_photo.values()) / 3)
    assert mean["detail"] == pytest.approx(math.prod(each["detail"] for each in by_photo.values()) ** (1 / 3))
    assert mean["kid"] > 0
    assert sheet.shape[:2] == (1, 3)
    given = measure([str(weights)], pictures, Judge(), jpeg=20)[0]
    by_hand = measure([str(weights)], [{**each, "lr": _as_jpeg(each["lr"], quality=20)} for each in pictures], Judge())[
        0
    ]
    assert given == by_hand
    assert given != figures


def test_the_table_shows_psnr_as_papers_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.realism.EfficientNetLite", Judge)
    weights = tmp_path / "generator.safetensors"
    save_generator(weights, Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic"))
    main([str(weights), "--out", str(tmp_path)])
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert rows["bicubic"][1] == "28.23"  # the model card's, of the sample's validation photos


class Judge:
    """In the place of EfficientNet, which is an extra."""

    def distance(self, sr: Tensor, hr: Tensor) -> float:
        """How far images are from each other."""
        return float((sr - hr).abs().mean())

    def textures(self, images: Tensor) -> Tensor:
        """A colour for each square of eight pixels."""
        return images.unfold(2, 8, 8).unfold(3, 8, 8).mean((4, 5)).reshape(3, -1).T.double()


def _as_jpeg(lr: Tensor, *, quality: int) -> Tensor:
    file = BytesIO()
    Image.fromarray((lr[0] * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255
