"""Finds photos in folders, pairs, reduces and splits them, without reading any file."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from srgan.pictures.find import EXTENSIONS, LeftOutWarning, by_stem, find_images, lr_partner, stem_of
from srgan.system.files import listed


@dataclass(frozen=True)
class Photo:
    """One HR file and, for paired data, its LR partner; ``name`` is unique within its collection.

    ``reduction`` is the factor by which the photo is reduced before it serves as HR; ``weight`` is how often it is
    drawn, relative to the others.
    """

    name: str
    hr_path: Path
    lr_path: Path | None = None
    reduction: float = 1
    weight: float = 1.0


def find_photos(root: Path) -> list[Photo]:
    """All photos under a folder, recursively; named by their path relative to it."""
    return [Photo(path.relative_to(root).as_posix(), path) for path in find_images(root)]


def find_pairs(hr_root: Path, lr_root: Path, *, scale: int) -> list[Photo]:
    """All HR photos under one folder with their LR partners under another.

    A partner has the same relative path, with any picture extension, or with ``x<scale>`` after the stem as in DIV2K
    (``0801.png`` and ``0801x4.png``). If ``lr_root`` has a folder ``X<scale>``, as in DIV2K, that is used.

    Raises:
        FileNotFoundError: If a folder is missing or empty, or partners are missing; names the first.
        ValueError: If the names are ambiguous.

    Warns:
        LeftOutWarning: If LR files have no HR photo.
    """
    partners = by_stem(partner_folder(lr_root, scale=scale))
    photos = _matched(find_photos(hr_root), partners, scale=scale)
    missing = [photo for photo in photos if photo.lr_path is None]
    if missing:
        raise FileNotFoundError(_no_partner(missing, len(photos), lr_root, partners, scale=scale))
    used = {photo.lr_path for photo in photos}
    _report_spare([path for path in partners.values() if path not in used], hr_root)
    return photos


def match_partners(photos: Sequence[Photo], lr_root: Path, *, scale: int) -> list[Photo]:
    """HR photos with their LR partners under a folder, named as for ``find_pairs``, or None without one.

    Raises:
        FileNotFoundError: If the folder is missing or empty.
        ValueError: If the names are ambiguous.
    """
    return _matched(photos, by_stem(partner_folder(lr_root, scale=scale)), scale=scale)


def partner_folder(lr_root: Path, *, scale: int) -> Path:
    """The folder of a scale's LR files: ``X<scale>`` if there is one, as in DIV2K."""
    folder = lr_root / f"X{scale}"
    return folder if folder.is_dir() else lr_root


def _matched(photos: Sequence[Photo], partners: Mapping[str, Path], *, scale: int) -> list[Photo]:
    matched: list[Photo] = []
    owners: dict[Path, Path] = {}
    for photo in photos:
        path = lr_partner(_stem(photo), partners, scale=scale)
        if path is not None and owners.setdefault(path, photo.hr_path) != photo.hr_path:
            raise ValueError(
                f"Expected an LR partner for each HR photo, but the names of {owners[path]} and {photo.hr_path} both"
                f" match {path}. Remove one, or rename it and its partner."
            )
        matched.append(replace(photo, lr_path=path))
    return matched


def _no_partner(missing: list[Photo], num_hr: int, lr_root: Path, partners: Mapping[str, Path], *, scale: int) -> str:
    first, stem = missing[0].hr_path, _stem(missing[0])
    others = [factor for factor in (2, 3, 4, 8) if factor != scale and f"{stem}x{factor}" in partners]
    hint = f" There is one at another scale: did you mean scale={others[0]}?" if others else ""
    return (
        f"Expected an LR partner for each of {num_hr} HR photos among the {len(partners)} files in {lr_root}, but"
        f" {len(missing)} have none. The first is {first}: its partner would be named {stem} or {stem}x{scale}, with"
        f" one of {', '.join(sorted(EXTENSIONS))}. Add it or remove the HR file.{hint}"
    )


def _report_spare(spare: list[Path], hr_root: Path) -> None:
    if spare:
        paths = listed([str(path) for path in spare])
        message = f"Left out {len(spare)} LR files that have no HR photo in {hr_root}:{paths}"
        warnings.warn(message, LeftOutWarning, stacklevel=3)


def _stem(photo: Photo) -> str:
    return stem_of(PurePath(photo.name))


def with_reductions(photos: Sequence[Photo], reductions: Sequence[float]) -> list[Photo]:
    """Each photo once per factor, reduced by it: at full size most photos are soft, reduced ones are crisp.

    Args:
        photos: Photos without LR partners.
        reductions: Factors, such as ``[1, 1.5, 2]`` for full size, two thirds and half.

    Raises:
        ValueError: If a photo has an LR partner, which only fits its full size.
    """
    paired = next((photo for photo in photos if photo.lr_path is not None), None)
    if paired is not None and list(reductions) != [1]:
        raise ValueError(f"Expected data.hr_reductions=[1], since {paired.hr_path} has a partner, {paired.lr_path}.")
    return [
        photo if factor == 1 else replace(photo, name=f"{photo.name} (1/{factor})", reduction=factor)
        for photo in photos
        for factor in reductions
    ]


def without(photos: Sequence[Photo], held_out: Sequence[Photo]) -> list[Photo]:
    """The training photos: all but those to validate or test on.

    Raises:
        ValueError: If none is left.
    """
    if not held_out:
        return list(photos)
    files = {photo.hr_path.resolve() for photo in held_out}
    left = [photo for photo in photos if photo.hr_path.resolve() not in files]
    if not left:
        raise ValueError(
            f"Expected photos in data.root that are not used for validation or testing, found none: all {len(photos)},"
            f" such as {photos[0].hr_path}, are also in data.val_root or data.test_root."
        )
    return left


def divided(
    photos: Sequence[Photo], *, val: Sequence[Photo] | None, test: Sequence[Photo], val_fraction: float
) -> tuple[list[Photo], list[Photo]]:
    """The training and the validation photos.

    Args:
        photos: All photos in the training folders.
        val: The validation photos; None sets ``val_fraction`` of ``photos`` aside by name.
        test: The test photos, which may be validated on, but not trained on.
        val_fraction: Share to set aside if ``val`` is None.

    Raises:
        ValueError: If no photo is left to train on, or the collection cannot be split.
    """
    if val is None:
        train, held_out = split_by_name(photos, val_fraction=val_fraction)
        return without(train, test), held_out
    return without(photos, [*val, *test]), list(val)


def split_by_name(photos: Sequence[Photo], *, val_fraction: float) -> tuple[list[Photo], list[Photo]]:
    """Set part of a collection aside for validation, by a hash of each name, so that new files do not move old ones.

    Only if that leaves one side empty, it gets one photo, which may move back when files are added.

    Args:
        photos: The whole collection, two or more.
        val_fraction: Share to set aside, in (0, 1); at least one photo each way.

    Returns:
        Training photos and validation photos.

    Raises:
        ValueError: If there are fewer than two photos or the fraction is out of range.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f"Expected data.val_fraction between 0 and 1, got {val_fraction}.")
    if len(photos) < 2:
        raise ValueError(
            f"Expected at least two photos to set one aside for validation, got {len(photos)}."
            " Add photos, or set data.val_root to a folder of others."
        )
    ranked = sorted(photos, key=_rank)
    num_val = sum(_rank(photo) < val_fraction for photo in photos)
    held_out = {photo.name for photo in ranked[: min(max(num_val, 1), len(photos) - 1)]}
    return [p for p in photos if p.name not in held_out], [p for p in photos if p.name in held_out]


def _rank(photo: Photo) -> float:
    """A number in [0, 1) that depends on the photo's name only."""
    return int.from_bytes(hashlib.sha256(photo.name.encode(errors="surrogateescape")).digest()[:6], "big") / 2**48
