"""Tests of srgan.data.photos.sources: several folders, weights, layouts of known data sets, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from srgan.data.photos import Photo, make_sources, weighted
from srgan.data.photos.sources import SAMPLE_PHOTOS, find


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are named relative to a temporary one."""
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(roots: Any, lr_roots: Any = None, *, scale: int = 4) -> list[Photo]:
    return find(make_sources(roots, lr_roots, scale=scale, split="val"), scale=scale)


def named(photos: list[Photo]) -> dict[str, str | None]:
    return {photo.name: photo.lr_path.as_posix() if photo.lr_path else None for photo in photos}


def test_photos_of_one_folder_have_their_path_in_it_as_name() -> None:
    touch("a/1.png", "a/b/1.png", "a/ü 日本.webp")
    assert named(found("a")) == {"1.png": None, "b/1.png": None, "ü 日本.webp": None}
    assert found("a") == found(["a"]) == found({"a": 1}) == found(Path("a"))


def test_photos_of_several_folders_are_told_apart() -> None:
    touch("x/HQ/1.png", "y/HQ/1.png", "y/HQ/b/1.png")
    assert set(named(found(["x/HQ", "y/HQ"]))) == {"x/HQ/1.png", "y/HQ/1.png", "y/HQ/b/1.png"}
    touch("z/1.png")
    assert set(named(found(["x/HQ", "z"]))) == {"HQ/1.png", "z/1.png"}


def test_each_photo_has_the_weight_of_its_folder() -> None:
    touch("a/1.png", "b/1.png", "b/2.png")
    assert {photo.name: photo.weight for photo in found({"a": 3, "b": 0.5})} == {
        "a/1.png": 3,
        "b/1.png": 0.5,
        "b/2.png": 0.5,
    }


def test_named_folders_have_the_weights_of_their_names() -> None:
    touch("a/1.png", "b/1.png")
    photos = found(weighted({"mine": 3}, div2k=Path("a"), mine="b"))
    assert {photo.name: photo.weight for photo in photos} == {"a/1.png": 1, "b/1.png": 3}
    assert found(weighted(div2k=Path("a"))) == found("a")
    with pytest.raises(ValueError, match=r"data\.root\.weights only for div2k, mine, got one for mein"):
        weighted({"mein": 3}, div2k="a", mine="b")
    with pytest.raises(ValueError, match=r"different folders in data\.root"):
        weighted(div2k=Path("a"), mine="a")


def test_sample_photos_can_be_mixed_in() -> None:
    touch("a/1.png")
    photos = named(found(["a", SAMPLE_PHOTOS]))
    assert set(photos) == {"a/1.png", *(f"val/{name}.png" for name in ("astronaut", "brushes", "chelsea", "coffee"))}


def test_each_folder_has_its_own_partners_or_none() -> None:
    touch("a/1.png", "la/1x4.png", "b/1.png", "c/1.png", "lc/1.png")
    photos = named(found(["a", "b", "c"], ["la", None, "lc"]))
    assert photos == {"a/1.png": "la/1x4.png", "b/1.png": None, "c/1.png": "lc/1.png"}


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("Set5/GTmod12/baby.png", "Set5/LRbicx4/baby.png"),
        ("Set5/HR/baby.png", "Set5/LR_bicubic/X4/babyx4.png"),
    ],
)
def test_known_layout_brings_its_partners(hr: str, lr: str) -> None:
    touch(hr, lr, lr.replace("4", "2"), "Set5/image_SRF_4/baby.png")
    assert named(found("Set5")) == {"baby.png": lr}
    assert named(found("Set5", scale=2)) == {"baby.png": lr.replace("4", "2")}
    assert named(found("Set5", scale=3)) == {"baby.png": None}  # LR is made
    touch("other/baby.png")
    assert named(found("Set5", "other")) == {"baby.png": "other/baby.png"}


def test_folder_named_hr_alone_is_no_layout() -> None:
    touch("a/HR/1.png", "a/more/1.png")
    assert set(named(found("a"))) == {"HR/1.png", "more/1.png"}


def test_folder_of_all_scales_is_understood_as_that_of_the_scale() -> None:
    touch("hr/1.png", "lr/X2/1x2.png", "lr/X4/1x4.png")
    assert named(found("hr", "lr")) == {"1.png": "lr/X4/1x4.png"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a/1x4.png", "a/2x4.png"], r"all 2 are named like LR files, such as a/1x4\.png.*data\.lr_root"),
        (["a/LR_bicubic/X4/1.png"], "all 1 are named like LR files"),
        (["a/LRbicx4/1.png"], "all 1 are named like LR files"),
        (["a/HR/1.png", "a/LR/1x4.png"], r"only HR photos in a, but a/LR/1x4\.png is named like the LR partner"),
        (["a/HR/1.png", "a/LR/1.png"], r"only HR photos in a, but a/LR/1\.png is"),
        (["a/1.png", "a/x4/1.png"], r"only HR photos in a, but a/x4/1\.png is"),
        (["a/hr/b/1.png", "a/LR_x4/b/1.png"], r"only HR photos in a, but a/LR_x4/b/1\.png is"),
        (["a/lr/1.png", "a/X4/1.png"], "all 2 are named like LR files"),
        (["a/DIV2K_HR/1.png", "a/DIV2K_LR_bicubic/X4/1x4.png"], "only HR photos in a"),
    ],
)
def test_lr_pictures_are_not_taken_for_hr(files: list[str], message: str) -> None:
    touch(*files)
    with pytest.raises(ValueError, match=message):
        found("a")


def test_a_name_that_looks_like_lr_alone_does_no_harm() -> None:
    touch("a/brick 4x2.png", "a/1.png")
    assert len(found("a")) == 2


@pytest.mark.parametrize("root", ["LR", "lr", "LR_mild", "X4", "x2"])
def test_folder_called_lr_itself_is_not_taken_for_hr(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(f"{root}/1.png", f"my{root}/1.png")
    with pytest.raises(ValueError, match="all 1 are named like LR files"):
        found(root)
    assert len(found([f"my{root}"])) == 1
    monkeypatch.chdir(root)
    with pytest.raises(ValueError, match="all 1 are named like LR files"):
        found(".")


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "3", True, None])
def test_senseless_weight_is_refused(weight: Any) -> None:
    touch("a/1.png")
    with pytest.raises(ValueError, match=f"Expected a weight above 0 for a in data.root, got {weight!r}"):
        found({"a": weight})


@pytest.mark.parametrize("roots", [["a", "a/b"], ["a/b", "a"], ["a", "a"], ["a", "link"], ["a", "./a/"]])
def test_folders_that_overlap_are_refused(roots: list[str]) -> None:
    touch("a/1.png", "a/b/2.png")
    Path("link").symlink_to("a")
    with pytest.raises(ValueError, match=r"Expected (folders that do not overlap|different folders) in data\.root"):
        found(roots)


def test_other_number_of_partner_folders_is_refused() -> None:
    touch("a/1.png", "b/1.png", "l/1.png")
    with pytest.raises(ValueError, match=r"one LR folder .* got 1 in data\.lr_root for 2 in data\.root"):
        found(["a", "b"], "l")


def test_missing_folder_among_several_is_named() -> None:
    touch("a/1.png")
    with pytest.raises(FileNotFoundError, match="Expected a folder of pictures, but b does not exist"):
        found(["a", "b"])


def test_missing_lr_is_counted_and_another_scale_pointed_out() -> None:
    touch("hr/1.png", "hr/2.png", "hr/3.png", "lr/1x4.png", "lr/2x2.png")
    with pytest.raises(FileNotFoundError) as error:
        found("hr", "lr")
    assert "each of 3 HR photos among the 2 files in lr, but 2 have none. The first is hr/2.png" in str(error.value)
    assert "did you mean scale=2?" in str(error.value)


@pytest.mark.parametrize(
    ("files", "both"),
    [
        pytest.param(["hr/1.png", "lr/1.jpg", "lr/1.png"], "lr/1.jpg and lr/1.png", id="lr"),
        pytest.param(["hr/a/1.jpg", "hr/a/1.png", "lr/a/1.png"], "hr/a/1.jpg and hr/a/1.png", id="hr"),
        pytest.param(["hr/1.png", "hr/1x4.png", "lr/1x4.png"], "hr/1.png and hr/1x4.png", id="hr-suffix"),
    ],
)
def test_names_that_leave_the_partner_open_are_refused(files: list[str], both: str) -> None:
    touch(*files)
    with pytest.raises(ValueError, match=re.escape(both)):
        found("hr", "lr")


def test_partners_of_nobody_are_listed() -> None:
    touch("hr/1.png", "lr/1x4.png", "lr/2x4.png")
    with pytest.warns(UserWarning, match=re.escape("Left out 1 LR files that have no HR photo in hr:\n  lr/2x4.png")):
        assert named(found("hr", "lr")) == {"1.png": "lr/1x4.png"}


@pytest.mark.parametrize(
    ("roots", "message"),
    [
        ("", r"Expected a folder of photos, got ''\. Is a shell variable not set\?"),
        ([], r"Expected at least one folder of photos, got \[\]"),
        ([None], "Expected a folder of photos, got None"),
    ],
)
def test_no_folder_is_not_the_current_one(roots: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_sources(roots, scale=4, split="train")
