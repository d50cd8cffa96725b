"""Which photos there are: found in folders, paired, reduced, split; nothing is read yet."""

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

    ``reduction`` is the factor by which the picture is made smaller before it serves as HR; ``weight`` is how often it
    is drawn, next to the others.
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

    A partner has the same relative path, with any picture extension, or with ``x<scale>`` behind the stem as in
    DIV2K (``0801.png`` and ``0801x4.png``). Where ``lr_root`` holds a folder ``X<scale>``, as in DIV2K, that is meant.

    Raises:
        FileNotFoundError: If a folder is missing or empty, or partners are missing; names the first.
        ValueError: If the names leave open which picture belongs to which.

    Warns:
        LeftOutWarning: If LR pictures are nobody's partner.
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
    """HR photos with their LR partners under a folder, named as for ``find_pairs``; None for those that have none.

    Raises:
        FileNotFoundError: If the folder is missing or empty.
        ValueError: If the names leave open which picture belongs to which.
    """
    return _matched(photos, by_stem(partner_folder(lr_root, scale=scale)), scale=scale)


def partner_folder(lr_root: Path, *, scale: int) -> Path:
    """Where the LR pictures of a scale lie: in ``X<scale>`` where there is one, as in DIV2K."""
    folder = lr_root / f"X{scale}"
    return folder if folder.is_dir() else lr_root


def _matched(photos: Sequence[Photo], partners: Mapping[str, Path], *, scale: int) -> list[Photo]:
    matched: list[Photo] = []
    owners: dict[Path, Path] = {}
    for photo in photos:
        path = lr_partner(_stem(photo), partners, scale=scale)
        if path is not None and owners.setdefault(path, photo.hr_path) != photo.hr_path:
            raise ValueError(
                f"Expected an LR partner of its own for each HR photo, but by their names {owners[path]} and"
                f" {photo.hr_path} both have {path}. Remove one, or rename it and its partner."
            )
        matched.append(replace(photo, lr_path=path))
    return matched


def _no_partner(missing: list[Photo], num_hr: int, lr_root: Path, partners: Mapping[str, Path], *, scale: int) -> str:
    first, stem = missing[0].hr_path, _stem(missing[0])
    others = [factor for factor in (2, 3, 4, 8) if factor != scale and f"{stem}x{factor}" in partners]
    hint = f" Its partner at another scale is there: is scale={others[0]} meant?" if others else ""
    return (
        f"Expected an LR partner of each of {num_hr} HR photos among the {len(partners)} pictures in {lr_root}, but"
        f" {len(missing)} have none. The first is {first}: its partner would be named {stem} or {stem}x{scale}, with"
        f" one of {', '.join(sorted(EXTENSIONS))}. Add it or remove the HR file.{hint}"
    )


def _report_spare(spare: list[Path], hr_root: Path) -> None:
    if spare:
        paths = listed([str(path) for path in spare])
        message = f"Left out {len(spare)} LR pictures that have no HR photo in {hr_root}:{paths}"
        warnings.warn(message, LeftOutWarning, stacklevel=3)


def _stem(photo: Photo) -> str:
    return stem_of(PurePath(photo.name))


def with_reductions(photos: Sequence[Photo], reductions: Sequence[float]) -> list[Photo]:
    """Each photo once for each factor, made smaller by it: at full size most photos are soft, reduced they are crisp.

    Args:
        photos: Photos without LR partners.
        reductions: Factors, for instance ``[1, 1.5, 2]`` for each photo in full, two thirds and half of its size.

    Raises:
        ValueError: If a photo has an LR partner, which fits its full size alone.
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
    """The photos to train on where those to validate or to test on lie among them.

    Raises:
        ValueError: If none is left.
    """
    if not held_out:
        return list(photos)
    files = {photo.hr_path.resolve() for photo in held_out}
    left = [photo for photo in photos if photo.hr_path.resolve() not in files]
    if not left:
        raise ValueError(
            f"Expected photos in data.root that are not those to validate or to test on, found none: all {len(photos)},"
            f" of which {photos[0].hr_path} is the first, are in data.val_root or data.test_root as well."
        )
    return left


def divided(
    photos: Sequence[Photo], *, val: Sequence[Photo] | None, test: Sequence[Photo], val_fraction: float
) -> tuple[list[Photo], list[Photo]]:
    """The photos to train and to validate on.

    Args:
        photos: All that lie where those to train on do.
        val: Those to validate on; None sets ``val_fraction`` of ``photos`` aside by name.
        test: Those to test on, which may be those to validate on but not those to train on.
        val_fraction: Share to set aside where ``val`` is None.

    Raises:
        ValueError: If none is left to train on, or the collection cannot be split.
    """
    if val is None:
        train, held_out = split_by_name(photos, val_fraction=val_fraction)
        return without(train, test), held_out
    return without(photos, [*val, *test]), list(val)


def split_by_name(photos: Sequence[Photo], *, val_fraction: float) -> tuple[list[Photo], list[Photo]]:
    """Set part of a collection aside for validation, by a hash of each name, so that new files move no old one.

    Only where that leaves one side empty is its share filled up to one photo, which later files can free again.

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
            " Add photos or name a folder of others with data.val_root."
        )
    ranked = sorted(photos, key=_rank)
    num_val = sum(_rank(photo) < val_fraction for photo in photos)
    held_out = {photo.name for photo in ranked[: min(max(num_val, 1), len(photos) - 1)]}
    return [p for p in photos if p.name not in held_out], [p for p in photos if p.name in held_out]


def _rank(photo: Photo) -> float:
    """A number in [0, 1) that depends on nothing but the photo's name."""
    return int.from_bytes(hashlib.sha256(photo.name.encode(errors="surrogateescape")).digest()[:6], "big") / 2**48
