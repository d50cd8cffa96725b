"""Tests of srgan.data.doctor: each planted fault is found and named, and a sound collection is left alone."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.commands.doctor import main
from srgan.data import datamodule
from srgan.data.doctor import checkup as doctor
from srgan.data.doctor.copies import collection_findings, signature
from srgan.data.doctor.enlargement import find_enlargement
from srgan.data.doctor.findings import NAMES, Finding
from srgan.data.doctor.pairs import pair_findings
from srgan.data.doctor.photos import luma, photo_findings
from srgan.data.photos import make_sources
from srgan.data.photos.find import split_by_name
from srgan.data.photos.sources import Roots, find
from srgan.pictures.find import LeftOutWarning, find_images
from srgan.pictures.resize import downscale_pixels as bicubic
from srgan.pictures.rgb import read_rgb8

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


def moved_half_a_pixel(hr: Tensor) -> Tensor:
    """Half an HR pixel to the right, by the shift theorem, independent of how the doctor moves pictures."""
    phase = torch.exp(-2j * torch.pi * torch.fft.fftfreq(hr.shape[2]) * 0.5)
    return levels(torch.fft.ifft(torch.fft.fft(hr.float()) * phase).real)


def assert_close(finding: Finding, values: dict[str, float | str]) -> None:
    assert finding.values.keys() == values.keys()
    for key, value in values.items():
        assert finding.values[key] == (value if isinstance(value, str) else pytest.approx(value, rel=0.02))


def check(
    root: Roots, lr_root: Path | None = None, val_root: Path | None = None, test_root: Path | None = None
) -> list[Finding]:
    checkup = doctor.check(
        root=root,
        lr_root=lr_root,
        val_root=val_root,
        val_lr_root=None,
        test_root=test_root,
        val_fraction=0.3,
        scale=4,
        min_size=96,
    )
    return list(checkup.findings)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """A picture that is sharp enough to tell kernels apart."""
    return textured(100)


@pytest.mark.parametrize("seed", range(4))
def test_a_sound_pair_is_left_alone(seed: int) -> None:
    hr = textured(seed)
    assert pair_findings(hr, bicubic(hr, 4), scale=4, file="lr") == []


def enlarged(photo: Tensor, factor: int, resample: Image.Resampling) -> Tensor:
    return from_pil(to_pil(photo).resize((factor * photo.shape[2], factor * photo.shape[1]), resample))


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


def test_the_advice_names_the_factor(tmp_path: Path) -> None:
    big = enlarged(textured(1, width=100, height=100), 3, Image.Resampling.BILINEAR)
    (finding,) = photo_findings(big, min_size=96, file="big.png")
    assert (finding.name, finding.values) == ("upscaled", {"factor": 3})
    assert "data.hr_reductions=[3]" in finding.advice


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


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with one fault of each kind: ``train``, its partners ``lr``, and ``val``."""
    folder = tmp_path_factory.mktemp("sick")
    for seed in range(8):
        save(folder / "train" / f"{seed}.png", textured(seed))
    for seed in range(20, 23):
        save(folder / "val" / f"{seed}.png", textured(seed))
    train = folder / "train"
    save(train / "again.png", textured(0))
    save(train / "compressed.jpg", levels(textured(1) * 0.95), quality=60)
    save(train / "leak.png", textured(20))
    save(train / "small.png", textured(30, width=95))
    half = to_pil(textured(31, width=200, height=200))
    half.resize((400, 400), Image.Resampling.BICUBIC).save(train / "upscaled.png")
    (train / "empty.png").touch()
    for path in find_images(train):
        if path.stat().st_size:
            hr = read_rgb8(path)
            save(folder / "lr" / f"{path.stem}.png", bicubic(hr[:, : hr.shape[1] // 4 * 4, : hr.shape[2] // 4 * 4], 4))
    save(folder / "lr" / "7.png", pillow(textured(7), Image.Resampling.BICUBIC))
    save(folder / "lr" / "empty.png", textured(9, width=32, height=32))
    save(folder / "lr" / "lonely.png", textured(10, width=32, height=32))
    (folder / "lr" / "6.png").unlink()
    cut = save(train / "cut.png", textured(32))
    save(folder / "lr" / "cut.png", bicubic(textured(32), 4))
    cut.write_bytes(cut.read_bytes()[:-20000])
    return folder


def test_every_planted_fault_is_found_and_nothing_else(sick: Path) -> None:
    findings = check(sick / "train", sick / "lr", sick / "val")
    found = {(each.name, str(Path(each.file).relative_to(sick))) for each in findings}
    assert found == {
        ("unreadable", "train/empty.png"),
        ("truncated", "train/cut.png"),
        ("too_small", "train/small.png"),
        ("duplicate", "train/again.png"),
        ("near_duplicate", "train/compressed.jpg"),
        ("leakage", "val/20.png"),
        ("upscaled", "train/upscaled.png"),
        ("missing_partner", "train/6.png"),
        ("missing_partner", "lr/lonely.png"),
        ("kernel", "lr/7.png"),
    }
    assert len(findings) == len(found)
    others = {each.name: Path(str(each.values["other"])).name for each in findings if "other" in each.values}
    assert others == {"duplicate": "0.png", "near_duplicate": "1.png", "leakage": "leak.png"}


def test_the_split_by_name_leaks_too(tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / f"{seed}.png", textured(seed % 3))
    names = {each.name for each in check(tmp_path)}
    assert "leakage" in names  # of three pairs of the same picture, two photos are held out


def test_a_copy_without_a_differing_sign_is_near_not_the_same() -> None:
    original, compressed = textured(1), levels(textured(1) + 1.0)
    (finding,) = collection_findings(
        [signature(each, file=file, side="train") for each, file in ((original, "a"), (compressed, "b"))]
    )
    assert finding.values["distance"] == 0
    assert (finding.name, finding.amount) == ("near_duplicate", "0 of 255 signs differ from a")


def test_test_photos_may_be_validated_on_but_not_trained_on(tmp_path: Path) -> None:
    for seed, (side, *more) in enumerate((["train"], ["train", "test"], ["val", "test"], ["test"])):
        for folder in (side, *more):
            save(tmp_path / folder / f"{seed}.png", textured(seed))
    save(tmp_path / "test" / "broken.png", textured(9)).write_bytes(b"")
    findings = check(tmp_path / "train", None, tmp_path / "val", tmp_path / "test")
    assert [(each.name, each.file) for each in findings] == [
        ("unreadable", str(tmp_path / "test" / "broken.png")),
        ("leakage", str(tmp_path / "test" / "1.png")),
    ]


def test_a_closed_folder_is_a_finding(tmp_path: Path, closed_folder: Callable[[Path], None]) -> None:
    for seed in range(3):
        save(tmp_path / f"{seed}.png", textured(seed))
    save(tmp_path / "closed" / "9.png", textured(9))
    closed_folder(tmp_path / "closed")
    with pytest.warns(LeftOutWarning):
        (finding,) = check(tmp_path)
    assert (finding.name, finding.file, finding.amount) == (
        "closed_folder",
        str(tmp_path / "closed"),
        "Permission denied",
    )


def test_pictures_that_are_not_read_are_findings(tmp_path: Path) -> None:
    for name in ("0.png", "1.avif", "2.jfif"):
        save(tmp_path / name, textured(int(name[0])))
    (tmp_path / "IMG_0001.CR3").touch()
    with pytest.warns(LeftOutWarning, match=r"1 \.cr3"):
        (finding,) = check(tmp_path)
    assert (finding.name, finding.file) == ("other_kind", str(tmp_path / "IMG_0001.CR3"))


def test_partners_of_other_scales_are_not_missed(tmp_path: Path) -> None:
    for seed in range(3):
        hr = textured(seed)
        save(tmp_path / "hr" / f"{seed}.png", hr)
        for scale in (2, 4):
            save(tmp_path / "lr" / f"X{scale}" / f"{seed}x{scale}.png", bicubic(hr, scale))
    assert check(tmp_path / "hr", tmp_path / "lr") == []
    save(tmp_path / "lr" / "X4" / "9x4.png", textured(9, width=64, height=48))
    assert [(each.name, Path(each.file).name) for each in check(tmp_path / "hr", tmp_path / "lr")] == [
        ("missing_partner", "9x4.png")
    ]


def test_leakage_is_sought_in_the_split_that_training_uses(tmp_path: Path) -> None:
    roots = [tmp_path / "a", tmp_path / "b"]
    for seed in range(6):
        for root in roots:
            save(root / f"{seed}.png", textured(seed, width=96, height=96))
    train, val = split_by_name(find(make_sources(roots, scale=4, split="train"), scale=4), val_fraction=0.3)
    trained_on = {photo.hr_path.name for photo in train}
    leaked = {photo.hr_path.name for photo in val if photo.hr_path.name in trained_on}
    assert leaked
    findings = check(roots)
    assert {Path(each.file).name for each in findings if each.name == "leakage"} == leaked


def test_flat_photos_are_near_no_other(tmp_path: Path) -> None:
    for level in (10, 200):
        save(tmp_path / f"{level}.png", torch.full((3, 96, 96), level, dtype=torch.uint8))
    assert check(tmp_path) == []


def test_command_on_a_sick_collection_reports_and_says_1(
    sick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    roots = [f"data.root={sick / 'train'}", f"data.lr_root={sick / 'lr'}"]
    assert main(["data=paired", *roots, f"out={out}"]) == 1
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["clean"] is False
    (small,) = (each for each in report["findings"] if each["name"] == "too_small")
    assert small["values"] == {"width": 95, "height": HEIGHT, "needed": 96}
    assert "hr_crop_size" in small["advice"]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "small.png" in line)
    for part in ("too_small", small["what"], "95x192", small["advice"]):
        assert part in line
    assert {each["name"] for each in report["findings"]} <= set(NAMES)


@pytest.mark.parametrize(("reductions", "needed"), [("[2]", 192), ("[1.5,2]", 144), ("[1,2]", 96)])
def test_too_small_is_measured_after_the_smallest_reduction(tmp_path: Path, reductions: str, needed: int) -> None:
    for seed, size in enumerate((needed - 1, needed, needed + 1)):
        save(tmp_path / "train" / f"{size}.png", textured(seed, width=size, height=size))
    save(tmp_path / "val" / "9.png", textured(9))
    roots = [f"data.root={tmp_path / 'train'}", f"data.val_root={tmp_path / 'val'}"]
    report = tmp_path / "report.json"
    main(["data=folder", *roots, f"data.hr_reductions={reductions}", f"out={report}"])
    findings = json.loads(report.read_text(encoding="utf-8"))["findings"]
    assert [(each["name"], Path(each["file"]).stem) for each in findings] == [("too_small", str(needed - 1))]
    assert findings[0]["values"]["needed"] == needed


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist there alone")
def test_names_that_are_not_utf8_are_shown_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "photos" / os.fsdecode(b"\xff.png")
    save(tmp_path / "photos" / "1.png", textured(1))
    save(tmp_path / "photos" / "2.png", textured(2))
    odd.touch()
    console = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", console)
    report = tmp_path / "report.json"
    assert main(["data=folder", f"data.root={tmp_path / 'photos'}", f"out={report}"]) == 1
    console.seek(0)
    assert f"{tmp_path}/photos/\\udcff.png: cannot be read" in console.read()
    (finding,) = json.loads(report.read_text(encoding="utf-8"))["findings"]
    assert finding["file"] == str(odd)


def test_findings_are_shown_where_the_report_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data=sample", f"out={tmp_path}"]) == 2
    captured = capsys.readouterr()
    assert "photos checked: nothing found." in captured.out
    assert str(tmp_path) in captured.err


def test_command_on_the_sample_photos_says_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data=sample"]) == 0
    assert "6 train and 4 val photos checked: nothing found." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param(["data=folder"], "data.root", id="no-root"),
        pytest.param(["data=folder", "data.root=/no/such"], "/no/such does not exist", id="no-folder"),
        pytest.param(["data=folder", "data.rot=/photos"], "rot", id="misspelled"),
    ],
)
def test_command_that_cannot_run_says_why_and_2(
    overrides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(overrides) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param(["data.lr_root={0}/lr", "data.val_root={0}/val"], "data.val_lr_root", id="no-val-lr"),
        pytest.param(["data.lr_root={0}/lr", "data.hr_reductions=[1,2]"], "data.hr_reductions=[1]", id="reductions"),
        pytest.param(["data.val_lr_root={0}/lr"], "data.val_root", id="no-val"),
        pytest.param(["data.hr_crop_size=98"], "data.hr_crop_size", id="crop"),
        pytest.param(["data.lr_root={0}/lr", "data/degradation=real"], "data/degradation=bicubic", id="degradation"),
        pytest.param(["data.val_root={0}/train"], "not used for validation or testing, found none", id="all-held-out"),
    ],
)
def test_doctor_refuses_what_training_refuses_in_the_same_words(
    sick: Path, overrides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data=folder", f"data.root={sick / 'train'}", *(each.format(sick) for each in overrides)]
    assert main(command) == 2
    assert message in capsys.readouterr().err


def test_a_long_list_is_cut_short_on_the_console() -> None:
    findings = [Finding("unreadable", f"{number}.png", "empty") for number in range(25)]
    lines = doctor.table(doctor.Checkup({"train": 25}, findings)).splitlines()
    assert len(lines) == 22
    assert "and 5 more" in lines[20]
