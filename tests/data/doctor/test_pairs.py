"""Tests of srgan.data.doctor.pairs: what was done to LR is found and named, and a sound pair is left alone."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor

from srgan.data.doctor.pairs import pair_findings
from srgan.pictures.resize import downscale_pixels as bicubic
from tests.data.doctor.made import assert_close, levels, moved_half_a_pixel, pillow, resized, textured


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_pair_is_left_alone(seed: int) -> None:
    hr = textured(seed)
    assert pair_findings(hr, bicubic(hr, 4), scale=4, file="lr") == []


@pytest.mark.parametrize(
    ("make_lr", "kernel"),
    [
        pytest.param(lambda hr: pillow(hr, Image.Resampling.BICUBIC), "pillow_bicubic", id="pillow-bicubic"),
        pytest.param(lambda hr: pillow(hr, Image.Resampling.BILINEAR), "pillow_bilinear", id="pillow-bilinear"),
        pytest.param(lambda hr: pillow(hr, Image.Resampling.BOX), "area", id="area"),
        pytest.param(lambda hr: pillow(hr, Image.Resampling.NEAREST), "nearest_centre", id="nearest-centre"),
        pytest.param(lambda hr: resized(hr, "bicubic"), "opencv_bicubic", id="opencv-bicubic"),
        pytest.param(lambda hr: resized(hr, "bilinear"), "bilinear", id="bilinear"),
        pytest.param(lambda hr: resized(hr, "nearest"), "nearest", id="nearest"),
    ],
)
def test_the_kernel_is_named(photo: Tensor, make_lr: Callable[[Tensor], Tensor], kernel: str) -> None:
    (finding,) = pair_findings(photo, make_lr(photo), scale=4, file="lr")
    assert (finding.name, finding.values["kernel"]) == ("kernel", kernel)


@pytest.mark.parametrize(
    ("change", "name", "values"),
    [
        pytest.param(lambda lr: lr.flip(0), "channel_order", {"order": "BGR"}, id="bgr"),
        pytest.param(lambda lr: lr[[1, 2, 0]], "channel_order", {"order": "GBR"}, id="gbr"),
        pytest.param(lambda lr: levels((lr / 255) ** 1.2 * 255), "tone", {"kind": "gamma", "amount": 1.2}, id="gamma"),
        pytest.param(lambda lr: levels(lr + 12.0), "tone", {"kind": "offset", "amount": 12}, id="brightness"),
        pytest.param(lambda lr: levels(lr * 0.9), "tone", {"kind": "gain", "amount": 0.9}, id="gain"),
    ],
)
def test_what_was_done_to_lr_is_named_with_its_amount(
    photo: Tensor, change: Callable[[Tensor], Tensor], name: str, values: dict[str, float | str]
) -> None:
    (finding,) = pair_findings(photo, change(bicubic(photo, 4)), scale=4, file="lr")
    assert finding.name == name
    assert_close(finding, values)


def test_half_a_pixel_is_found(photo: Tensor) -> None:
    (finding,) = pair_findings(photo, bicubic(moved_half_a_pixel(photo), 4), scale=4, file="lr")
    assert finding.name == "shifted"
    assert finding.values == pytest.approx({"dx_hr": 0.5, "dy_hr": 0.0}, abs=0.03)


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (-1, 3), (9, -14)])
def test_shift_is_found_with_its_direction_despite_a_tone_change(photo: Tensor, dx: int, dy: int) -> None:
    lr = levels((bicubic(photo.roll((dy, dx), (1, 2)), 4) / 255) ** 0.9 * 255)
    shift, tone = pair_findings(photo, lr, scale=4, file="lr")
    assert (shift.name, tone.name) == ("shifted", "tone")
    assert shift.values == pytest.approx({"dx_hr": dx, "dy_hr": dy}, abs=0.1)
    assert_close(tone, {"kind": "gamma", "amount": 0.9})


def test_noisy_lr_and_another_photo_are_told_apart(photo: Tensor) -> None:
    lr = bicubic(photo, 4)
    noisy = levels(lr + 8 * torch.randn(lr.shape, generator=torch.Generator().manual_seed(0)))
    assert [each.name for each in pair_findings(photo, noisy, scale=4, file="lr")] == ["unknown_kernel"]
    other = bicubic(textured(101), 4)
    assert [each.name for each in pair_findings(photo, other, scale=4, file="lr")] == ["other_picture"]


def test_partner_of_another_scale_says_which(photo: Tensor) -> None:
    (finding,) = pair_findings(photo, bicubic(photo, 2), scale=4, file="lr")
    assert finding.name == "size_mismatch"
    assert finding.values == {"hr_over_lr": 2.0, "scale": 4}


def test_hr_may_have_rows_that_make_no_further_lr_pixel(photo: Tensor) -> None:
    assert pair_findings(photo, bicubic(photo[:, :188, :252], 4), scale=4, file="lr")[0].name == "size_mismatch"
    assert pair_findings(photo[:, :191, :255], bicubic(photo[:, :188, :252], 4), scale=4, file="lr") == []
