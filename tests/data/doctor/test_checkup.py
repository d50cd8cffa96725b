"""Tests of srgan.data.doctor: each planted fault of a collection is found and named, by the command too."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from srgan.commands.doctor import main
from srgan.data.doctor import checkup as doctor
from srgan.data.doctor.copies import collection_findings, signature
from srgan.data.doctor.findings import NAMES, Finding
from srgan.data.doctor.photos import photo_findings
from srgan.data.photos import make_sources
from srgan.data.photos.find import split_by_name
from srgan.data.photos.sources import Roots, find
from srgan.pictures.find import LeftOutWarning, find_images
from srgan.pictures.resize import downscale_pixels as bicubic
from srgan.pictures.rgb import read_rgb8
from tests.data.doctor.made import HEIGHT, enlarged, levels, pillow, save, textured, to_pil


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


def test_the_advice_names_the_factor(tmp_path: Path) -> None:
    big = enlarged(textured(1, width=100, height=100), 3, Image.Resampling.BILINEAR)
    (finding,) = photo_findings(big, min_size=96, file="big.png")
    assert (finding.name, finding.values) == ("upscaled", {"factor": 3})
    assert "data.hr_reductions=[3]" in finding.advice


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
