"""Tests of the scores: golden values of the sample photos, numbers by hand, and scikit-image."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import srgan
from srgan.evaluation.metrics import card_stamp, psnr, quantise, score, score_card, to_y
from srgan.pictures.resize import downscale, upscale
from srgan.pictures.rgb import read_image, to_float, to_uint8

GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden_sample.json").read_text())
scikit_image_psnr: Any = peak_signal_noise_ratio  # has no types
scikit_image_ssim: Any = structural_similarity
PHOTOS = Path(srgan.__file__).parent / "assets" / "photos" / "val"


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    hr = upscale(torch.rand(1, 3, 8, 9, generator=rng), 4).clamp(0, 1)
    return (hr + 0.1 * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_scores_of_bicubic(name: str) -> None:
    hr = read_image(PHOTOS / name)
    lr = to_float(to_uint8(downscale(hr, 4)))
    scores = score_card(upscale(lr, 4).clamp(0, 1), hr, scale=4)
    for channel in ("y", "rgb"):
        assert scores[f"psnr_{channel}"] == pytest.approx(GOLDEN[name][f"bicubic_psnr_{channel}_crop4"], abs=0.005)
        assert scores[f"ssim_{channel}"] == pytest.approx(GOLDEN[name][f"bicubic_ssim_{channel}_crop4"], abs=0.0005)


def test_luma_is_studio_range() -> None:
    primaries = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]).double()
    expected = [16, 235, 16 + 65.481, 16 + 128.553, 16 + 24.966]
    assert to_y(primaries.view(5, 3, 1, 1)).flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_pictures_are_rounded_and_clamped_to_8_bit() -> None:
    values = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 1.0, 1.7])
    assert quantise(values).tolist() == [0, 0, 0, 1, 254, 255, 255]
    assert quantise(values).dtype == torch.float64


def test_hand_computed_psnr() -> None:
    hr = torch.zeros(1, 3, 16, 16)
    scores = score(hr + 10 / 255, hr, crop_border=0)
    assert scores["psnr_rgb"] == pytest.approx(20 * math.log10(255 / 10))
    assert scores["psnr_y"] == pytest.approx(20 * math.log10(255 / (10 * 219 / 255)))
    assert psnr(torch.tensor([0.0, 3.0]), torch.tensor([4.0, 3.0])) == pytest.approx(10 * math.log10(255**2 / 8))


def test_hand_computed_ssim_of_flat_pictures() -> None:
    dark, bright = (torch.full((1, 3, 11, 11), level / 255) for level in (50, 100))
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert score(dark, bright, crop_border=0)["ssim_rgb"] == pytest.approx(expected)


@pytest.mark.parametrize(("suffix", "crop_border"), [("", 4), ("_border0", 0)])
def test_the_card_equals_scikit_image(pair: tuple[torch.Tensor, torch.Tensor], suffix: str, crop_border: int) -> None:
    sr, hr = pair
    scores = score_card(sr, hr, scale=4)
    height, width = hr.shape[-2:]
    a, b = (
        quantise(image)[..., crop_border : height - crop_border, crop_border : width - crop_border]
        for image in (sr, hr)
    )
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    y_a, y_b = to_y(a)[0, 0].numpy(), to_y(b)[0, 0].numpy()
    assert scores[f"ssim_y{suffix}"] == pytest.approx(scikit_image_ssim(y_a, y_b, **options), abs=1e-9)
    on_rgb = scikit_image_ssim(a[0].numpy(), b[0].numpy(), channel_axis=0, **options)
    assert scores[f"ssim_rgb{suffix}"] == pytest.approx(on_rgb, abs=1e-9)
    assert scores[f"psnr_y{suffix}"] == pytest.approx(scikit_image_psnr(y_b, y_a, data_range=255), abs=1e-9)
    on_rgb = scikit_image_psnr(b.numpy(), a.numpy(), data_range=255)
    assert scores[f"psnr_rgb{suffix}"] == pytest.approx(on_rgb, abs=1e-9)


def test_the_card_without_a_border_is_golden_by_scikit_image() -> None:
    hr = read_image(PHOTOS / "chelsea.png")
    sr = upscale(to_float(to_uint8(downscale(hr, 4))), 4).clamp(0, 1)
    a, b = (image[0].permute(1, 2, 0).mul(255).round().numpy().astype("uint8") for image in (sr, hr))
    scores = score_card(sr, hr, scale=4)
    assert scores["psnr_rgb_border0"] == pytest.approx(scikit_image_psnr(b, a), abs=0.005)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 255, "channel_axis": -1}
    assert scores["ssim_rgb_border0"] == pytest.approx(scikit_image_ssim(b, a, **options), abs=0.0005)


def test_validations_and_the_card_agree(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    sr, hr = pair
    card = score_card(sr, hr, scale=3)
    for suffix, crop_border in (("", 3), ("_border0", 0)):
        for name, value in score(sr, hr, crop_border=crop_border).items():
            assert card[f"{name}{suffix}"] == pytest.approx(value, abs=1e-12)


def test_every_score_of_the_card_is_stamped(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    stamp = card_stamp(4)
    assert list(stamp) == list(score_card(*pair, scale=4))
    assert {name: fields["crop_border"] for name, fields in stamp.items() if name.startswith("psnr")} == {
        "psnr_y": 4,
        "psnr_rgb": 4,
        "psnr_y_border0": 0,
        "psnr_rgb_border0": 0,
    }
    assert {fields["rounding"] for fields in stamp.values()} == {"8 bit"}
    assert "BT.601" in str(stamp["ssim_y_border0"]["channel"])
    assert "11x11" in str(stamp["ssim_y_border0"]["variant"])
    assert str(stamp["ssim_rgb"]["variant"]).endswith("over R, G and B")


def test_equal_pictures_score_infinity_and_1(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    scores = score(pair[1], pair[1], crop_border=4)
    assert scores["psnr_y"] == scores["psnr_rgb"] == math.inf
    assert scores["ssim_y"] == pytest.approx(1)
    assert scores["ssim_rgb"] == pytest.approx(1)


def test_nothing_in_the_border_counts(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    sr, hr = pair
    inked = sr.clone()
    inked[..., :4, :] = inked[..., -4:, :] = inked[..., :4] = inked[..., -4:] = 0
    assert score(inked, hr, crop_border=4) == score(sr, hr, crop_border=4)
    assert score(inked, hr, crop_border=3) != score(sr, hr, crop_border=3)


def test_the_smallest_picture_has_one_window_inside_its_border() -> None:
    smallest = torch.rand(1, 3, 19, 19)
    assert score(smallest, smallest, crop_border=4)["ssim_y"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"Expected sides of at least 19 pixels to score, got \(19, 18\)"):
        score(smallest[..., :18], smallest[..., :18], crop_border=4)


@pytest.mark.parametrize(
    ("sr", "hr"),
    [((1, 3, 32, 32), (1, 3, 32, 36)), ((2, 3, 32, 32), (2, 3, 32, 32)), ((1, 1, 32, 32),) * 2, ((3, 32, 32),) * 2],
)
def test_mismatched_shapes_raise(sr: tuple[int, ...], hr: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected sr and hr of one shape \(1, 3, H, W\), got"):
        score(torch.rand(sr), torch.rand(hr), crop_border=4)


@pytest.mark.parametrize("height", [19, 41, 44, 50])  # the last band has no window of its own, some, and its border
def test_a_picture_in_bands_has_the_scores_of_the_whole(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    hr = torch.rand(1, 3, height, 30)
    sr = (hr + 0.1 * torch.randn(hr.shape)).clamp(0, 1)
    whole = score_card(sr, hr, scale=4)
    monkeypatch.setattr("srgan.evaluation.metrics._BAND_ROWS", 11)
    for band in (1, 30 * 13, 30 * 40):
        monkeypatch.setattr("srgan.evaluation.metrics._BAND_PIXELS", band)
        assert score_card(sr, hr, scale=4) == pytest.approx(whole, rel=1e-12)
