"""Tests of srgan.data.photos: finding, splitting, pairing and loading the photos of a run."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan.data.collection import Collection
from srgan.data.photos import Photo, find_pairs, find_photos
from srgan.data.photos.find import split_by_name, with_reductions
from srgan.data.photos.pair import read_pair
from srgan.pictures.errors import ImageReadError
from srgan.pictures.find import LeftOutWarning
from srgan.pictures.resize import downscale_pixels as bicubic
from srgan.pictures.rgb import read_rgb8
from tests.data.pictures import save


def named(*names: str) -> list[Photo]:
    return [Photo(name, Path(name)) for name in names]


def numbered(count: int) -> list[Photo]:
    return named(*(f"{number:04d}.png" for number in range(count)))


def load(photos: list[Photo], *, min_size: int = 32) -> Collection:
    return Collection(photos, scale=4, min_size=min_size, purpose="training")


@pytest.mark.parametrize("val_fraction", [0.1, 0.2, 0.5])
def test_split_moves_no_old_photo_when_photos_are_added(val_fraction: float) -> None:
    old = numbered(50)
    _, val = split_by_name(old, val_fraction=val_fraction)
    for count in (51, 60, 200):
        _, later_val = split_by_name(numbered(count), val_fraction=val_fraction)
        assert [photo for photo in later_val if photo in old] == val


def test_split_does_not_depend_on_the_order_of_the_photos() -> None:
    photos = numbered(30)
    _, val = split_by_name(photos, val_fraction=0.3)
    _, reversed_val = split_by_name(photos[::-1], val_fraction=0.3)
    assert set(val) == set(reversed_val)


@pytest.mark.parametrize("count", [2, 3, 10, 400])
@pytest.mark.parametrize("val_fraction", [0.001, 0.1, 0.999])
def test_split_uses_every_photo_once_and_leaves_no_side_empty(count: int, val_fraction: float) -> None:
    photos = numbered(count)
    train, val = split_by_name(photos, val_fraction=val_fraction)
    assert train
    assert val
    assert sorted(train + val, key=lambda photo: photo.name) == photos


def test_split_sets_about_the_wanted_share_aside() -> None:
    _, val = split_by_name(numbered(400), val_fraction=0.25)
    assert 70 < len(val) < 130


@pytest.mark.parametrize("val_fraction", [-0.1, 0.0, 1.0, 1.5])
def test_split_refuses_a_fraction_out_of_range(val_fraction: float) -> None:
    with pytest.raises(ValueError, match=f"val_fraction between 0 and 1, got {val_fraction}"):
        split_by_name(numbered(5), val_fraction=val_fraction)


def test_split_of_one_photo_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"at least two photos .* got 1.*data\.val_root"):
        split_by_name(numbered(1), val_fraction=0.5)


def test_photos_of_one_stem_in_two_folders_are_both_used(tmp_path: Path) -> None:
    for seed, folder in enumerate("ab"):
        save(tmp_path / folder / "1.png", seed=seed)
    collection = load(find_photos(tmp_path))
    assert [photo.name for photo in collection.photos] == ["a/1.png", "b/1.png"]
    assert not torch.equal(collection[0].hr, collection[1].hr)


@pytest.mark.parametrize(
    ("hr_name", "lr_name"),
    [
        pytest.param("1.png", "1.png", id="same-name"),
        pytest.param("1.png", "1.bmp", id="other-extension"),
        pytest.param("0801.png", "0801x4.png", id="div2k"),
        pytest.param("a/v1.2 ö.PNG", "a/v1.2 öx4.png", id="subfolder-and-dots"),
    ],
)
def test_partner_is_found(tmp_path: Path, hr_name: str, lr_name: str) -> None:
    hr_path = save(tmp_path / "hr" / hr_name)
    lr_path = save(tmp_path / "lr" / lr_name, width=16, height=12)
    photos = find_pairs(tmp_path / "hr", tmp_path / "lr", scale=4)
    assert photos == [Photo(hr_name, hr_path, lr_path)]
    assert torch.equal(load(photos)[0].lr, read_rgb8(lr_path))


def test_partners_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    for folder in "ab":
        save(tmp_path / "hr" / folder / "1.png")
        save(tmp_path / "lr" / folder / "1.png", width=16, height=12)
    pairs = find_pairs(tmp_path / "hr", tmp_path / "lr", scale=4)
    assert [photo.lr_path for photo in pairs] == [tmp_path / "lr" / folder / "1.png" for folder in "ab"]


def test_missing_partner_names_the_file_and_the_folder(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / "hr" / f"{number}.png")
    save(tmp_path / "lr" / "1.png")
    with pytest.raises(FileNotFoundError) as error:
        find_pairs(tmp_path / "hr", tmp_path / "lr", scale=4)
    assert str(tmp_path / "hr" / "2.png") in str(error.value)
    assert str(tmp_path / "lr") in str(error.value)


def test_partner_of_another_size_names_both_files_and_sizes(tmp_path: Path) -> None:
    photo = Photo("1.png", save(tmp_path / "hr.png"), save(tmp_path / "lr.png", width=17, height=12))
    with pytest.raises(ValueError, match="4 times as large") as error:
        load([photo])
    assert not isinstance(error.value, ImageReadError)
    for part in (str(tmp_path / "hr.png"), str(tmp_path / "lr.png"), "64x48", "17x12"):
        assert part in str(error.value)


def test_hr_is_cropped_to_a_multiple_of_the_scale(tmp_path: Path) -> None:
    path = save(tmp_path / "1.png", width=67, height=50)
    pair = read_pair(Photo("1.png", path), scale=4)
    assert torch.equal(pair.hr, read_rgb8(path)[:, :48, :64])
    assert torch.equal(pair.lr, bicubic(pair.hr, 4))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (67, 48), (65, 51)])
def test_hr_is_cropped_to_its_partner(tmp_path: Path, width: int, height: int) -> None:
    photo = Photo(
        "1", save(tmp_path / "hr.png", width=width, height=height), save(tmp_path / "lr.png", width=16, height=12)
    )
    pair = read_pair(photo, scale=4)
    assert torch.equal(pair.hr, read_rgb8(tmp_path / "hr.png")[:, :48, :64])
    assert torch.equal(pair.lr, read_rgb8(tmp_path / "lr.png"))


@pytest.mark.parametrize(("width", "height"), [(68, 48), (64, 52), (63, 48), (64, 47)])
def test_hr_off_by_a_whole_lr_pixel_is_refused(tmp_path: Path, width: int, height: int) -> None:
    photo = Photo(
        "1", save(tmp_path / "hr.png", width=width, height=height), save(tmp_path / "lr.png", width=16, height=12)
    )
    with pytest.raises(ValueError, match=f"4 times as large .* got {width}x{height} and 16x12"):
        read_pair(photo, scale=4)


def test_partner_at_another_scale_says_which(tmp_path: Path) -> None:
    photo = Photo("1", save(tmp_path / "hr.png", width=65, height=48), save(tmp_path / "lr.png", width=32, height=24))
    with pytest.raises(ValueError, match="They fit scale=2"):
        read_pair(photo, scale=4)


def test_folders_the_wrong_way_round_are_suspected(tmp_path: Path) -> None:
    photo = Photo("1", save(tmp_path / "lr.png", width=16, height=12), save(tmp_path / "hr.png", width=64, height=48))
    with pytest.raises(ValueError, match=r"got 16x12 and 64x48.*swapped, or the same\?"):
        read_pair(photo, scale=4)


def test_photo_with_a_partner_is_not_reduced() -> None:
    photos = [Photo("1", Path("1.png")), Photo("2", Path("hr.png"), Path("lr.png"))]
    assert with_reductions(photos, [1]) == photos
    with pytest.raises(ValueError, match=r"data\.hr_reductions=\[1\], since hr\.png has a partner, lr\.png"):
        with_reductions(photos, [1, 2])


def test_gray_pair_is_read_as_rgb(tmp_path: Path) -> None:
    for name, size in (("hr.png", (64, 48)), ("lr.png", (16, 12))):
        Image.new("L", size, 100).save(tmp_path / name)
    pair = read_pair(Photo("1", tmp_path / "hr.png", tmp_path / "lr.png"), scale=4)
    assert pair.hr.shape == (3, 48, 64)
    assert bool((pair.lr == 100).all())


def test_unusable_files_are_left_out_with_one_warning(tmp_path: Path) -> None:
    for seed, name in enumerate(["p.png", "z.png"]):
        save(tmp_path / name, seed=seed)
    save(tmp_path / "small.png", width=64, height=31)
    save(tmp_path / "speck.png", width=2, height=2)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.warns(LeftOutWarning) as warnings:
        collection = load(find_photos(tmp_path))
    assert [photo.name for photo in collection.photos] == ["p.png", "z.png"]
    assert torch.equal(collection[1].hr, read_rgb8(tmp_path / "z.png"))
    assert len(warnings) == 1
    message = str(warnings[0].message)
    assert "Left out 3 training photos" in message
    for name in ("small.png", "speck.png", "broken.png"):
        assert message.count(str(tmp_path / name)) == 1


def test_unreadable_partner_is_left_out_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "lr.png").touch()
    bad = Photo("bad", save(tmp_path / "hr.png"), tmp_path / "lr.png")
    with pytest.warns(LeftOutWarning, match=r"lr\.png: the file is empty"):
        load([bad, Photo("good", tmp_path / "hr.png")])


def test_long_list_of_unusable_files_is_cut_short(tmp_path: Path) -> None:
    good = Photo("good", save(tmp_path / "good.png"))
    with pytest.warns(LeftOutWarning, match="Left out 25 training photos(.|\n)*and 5 more"):
        load([good, *numbered(25)])


def test_nothing_left_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    photos = [Photo("small", save(tmp_path / "small.png", width=8)), Photo("missing", tmp_path / "missing.png")]
    with pytest.raises(ValueError, match="None of the 2 training photos") as error:
        load(photos)
    assert "8x48, smaller than the 32x32" in str(error.value)
    assert f"{tmp_path / 'missing.png'} does not exist" in str(error.value)


def test_photos_are_let_go_while_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [Photo(str(number), save(tmp_path / f"{number}.png")) for number in range(80)]
    decoded: list[weakref.ref[torch.Tensor]] = []
    num_alive = []

    def watched(path: Path) -> torch.Tensor:
        pixels = read_rgb8(path)
        decoded.append(weakref.ref(pixels))
        num_alive.append(sum(reference() is not None for reference in decoded))
        return pixels

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("srgan.data.collection.read_rgb8", watched)
    assert len(load(photos)) == 80
    assert max(num_alive) <= 40


def test_reductions_need_not_be_whole_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", width=90, height=60)
    (photo,) = with_reductions([Photo("photo.png", path)], [1.5])
    pair = read_pair(photo, scale=4)
    assert photo.name == "photo.png (1/1.5)"
    assert pair.hr.shape == (3, 40, 60)
    with Image.open(path) as image:  # Pillow's bicubic is antialiased, too; in floats, since it rounds between passes
        channels = [channel.convert("F").resize((60, 40), Image.Resampling.BICUBIC) for channel in image.split()]
    reference = np.stack([np.asarray(channel).clip(0, 255) for channel in channels])
    assert np.abs(pair.hr.numpy() - reference).max() < 0.51
