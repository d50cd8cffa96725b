"""Where photos come from: folders, mixed by weight, with or without LR partners, also in known layouts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import combinations, count
from pathlib import Path
from typing import TypeVar

from srgan.data.photos.find import Photo, find_pairs, find_photos
from srgan.pictures.find import require_folder

SAMPLE_PHOTOS = "sample"  # as a root: the included photos
# HR and LR in a data set's folder: BasicSR's layout, and that of EDSR's benchmark sets.
_LAYOUTS = (("GTmod12", "LRbicx{scale}"), ("HR", "LR_bicubic/X{scale}"))
_LR_SUFFIX = re.compile(r"x[2348]$")
_LR_NAME = re.compile(r"(?:^|/)(?:[^/]*LR_bicubic|LRbicx\d|LR|lr|LR_[^/]*|[xX][2348])/|x[2348]\.[^./]+$")

Root = str | Path
# One folder, several, or several with the weights at which their photos are drawn.
Roots = Root | Sequence[Root] | Mapping[str, float]
LrRoots = Root | Sequence[Root | None]
_RootOrNone = TypeVar("_RootOrNone", Root, Root | None)


@dataclass(frozen=True)
class Source:
    """A folder of HR photos and, if they have LR partners, the folder of those.

    ``label`` precedes the names of its photos, to tell them from those of other folders; ``weight`` is how often one of
    them is drawn, relative to photos of other folders.
    """

    hr_root: Path
    lr_root: Path | None = None
    label: str = ""
    weight: float = 1.0


def joined(**roots: Root | None) -> list[Root | None]:
    """LR roots as a list, in the order of the HR roots: Hydra can only merge parts that have names."""
    return list(roots.values())


def weighted(weights: Mapping[str, float] | None = None, **roots: Root) -> dict[Root, float]:
    """Map named roots to the weights at which their photos are drawn, for ``conf/data/div2k.yaml`` and others.

    Args:
        weights: By name; 1 for the others.
        **roots: Folders by name; a command line adds ``+data.root.mine=/photos +data.root.weights.mine=3``.

    Raises:
        ValueError: If a weight belongs to no root, or two roots are the same folder.
    """
    weights = weights or {}
    unknown = sorted(weights.keys() - roots.keys())
    if unknown:
        raise ValueError(f"Expected data.root.weights only for {', '.join(roots)}, got one for {', '.join(unknown)}.")
    if len(set(map(str, roots.values()))) < len(roots):
        raise ValueError(f"Expected different folders in data.root, got {[str(root) for root in roots.values()]}.")
    return {root: weights.get(name, 1) for name, root in roots.items()}


def sources_by_purpose(
    root: Roots,
    lr_root: LrRoots | None,
    *,
    val_root: Roots | None,
    val_lr_root: LrRoots | None,
    test_root: Roots | None,
    scale: int,
) -> dict[str, list[Source]]:
    """The sources by purpose, ``training``, ``validation`` and ``test``; the arguments are the data module's.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: As ``make_sources``, and if HR or LR to validate on is missing.
    """
    if val_lr_root is not None and val_root is None:
        raise ValueError("Expected data.val_root, the HR photos of data.val_lr_root, got none.")
    val = [] if val_root is None else make_sources(val_root, val_lr_root, scale=scale, split="val")
    without_lr = [str(source.hr_root) for source in val if source.lr_root is None]
    if lr_root is not None and val_lr_root is None and without_lr:
        raise ValueError(
            f"Expected data.val_lr_root, the LR partners of {', '.join(without_lr)} in data.val_root, since"
            " data.lr_root is given."
        )
    return {
        "training": make_sources(root, lr_root, scale=scale, split="train"),
        "validation": val,
        "test": [] if test_root is None else make_sources(test_root, scale=scale, split="val"),
    }


def make_sources(roots: Roots, lr_roots: LrRoots | None = None, *, scale: int, split: str) -> list[Source]:
    """Check the folders that a user names, and recognise layouts of known data sets.

    Args:
        roots: Folders of HR photos, or of a data set in a known layout: ``GTmod12`` and ``LRbicx4``, or ``HR`` and
            ``LR_bicubic/X4``, whose LR is used if it has this scale. ``sample`` is the included photos.
        lr_roots: Folders of LR partners, one for each of ``roots``; None, also within a list, means that LR is made.
        scale: Size of HR over size of LR.
        split: Which of the sample photos: ``train`` or ``val``.

    Returns:
        The sources, in the same order.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If folders overlap, their numbers differ, or a weight is not above 0.
    """
    weights = _weights(roots)
    if not weights:
        raise ValueError(f"Expected at least one folder of photos, got {roots!r}.")
    partners = [None] * len(weights) if lr_roots is None else _listed(lr_roots)
    if len(partners) != len(weights):
        raise ValueError(
            f"Expected one LR folder (or null) for each HR folder, in the same order, got {len(partners)} in"
            f" data.lr_root for {len(weights)} in data.root."
        )
    folders = [_folder(root, split) for root in weights]
    _refuse_overlap(folders)
    labels = _labels(folders) if len(folders) > 1 else [""]
    sources = []
    for folder, partner, label, weight in zip(folders, partners, labels, weights.values(), strict=True):
        hr_root, lr_root = _recognised(folder, scale=scale)
        given = lr_root if partner is None else _folder(partner, split)
        sources.append(Source(hr_root, given, label, weight))
    return sources


def find(sources: Sequence[Source], *, scale: int) -> list[Photo]:
    """All photos of some sources, with their partners; names are unique among them.

    Raises:
        FileNotFoundError: If a folder holds no picture, or a partner is missing.
        ValueError: If LR files are among what should be HR photos.
    """
    photos = []
    for source in sources:
        if source.lr_root is None:
            found = find_photos(source.hr_root)
            require_hr(found, source.hr_root)
        else:
            found = find_pairs(source.hr_root, source.lr_root, scale=scale)
        photos += labelled(found, source)
    return photos


def labelled(photos: Sequence[Photo], source: Source) -> list[Photo]:
    """The photos of a source, with the names and the weight that they have among those of all sources."""
    prefix = f"{source.label}/" if source.label else ""
    return [replace(photo, name=f"{prefix}{photo.name}", weight=source.weight) for photo in photos]


def _weights(roots: Roots) -> dict[Root, float]:
    if not isinstance(roots, Mapping):
        listed = _listed(roots)
        if len(set(map(str, listed))) < len(listed):
            raise ValueError(f"Expected different folders in data.root, got {listed}.")
        return dict.fromkeys(listed, 1.0)
    for root, weight in roots.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise ValueError(f"Expected a weight above 0 for {root} in data.root, got {weight!r}.")
    return {root: float(weight) for root, weight in roots.items()}


def _listed(roots: Root | Sequence[_RootOrNone]) -> list[Root | _RootOrNone]:
    return [roots] if isinstance(roots, str | Path) else list(roots)


def _folder(root: Root, split: str) -> Path:
    if root is None or not str(root).strip():
        raise ValueError(f"Expected a folder of photos, got {root!r}. Is a shell variable not set?")
    if str(root) == SAMPLE_PHOTOS:
        return Path(str(files("srgan") / "assets" / "photos" / split))
    folder = Path(str(root)).expanduser()
    require_folder(folder)
    return folder


def _refuse_overlap(folders: Sequence[Path]) -> None:
    for one, other in combinations([folder.resolve() for folder in folders], 2):
        if one.is_relative_to(other) or other.is_relative_to(one):
            raise ValueError(f"Expected folders that do not overlap in data.root, got {one} and {other}.")


def _labels(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths, all of the same length, that tell them apart."""
    paths = [folder.absolute().parts[1:] for folder in folders]
    ends = (["/".join(parts[-depth:]) for parts in paths] for depth in count(1))
    return next(labels for labels in ends if len(set(labels)) == len(labels))


def _recognised(folder: Path, *, scale: int) -> tuple[Path, Path | None]:
    for hr_name, lr_name in _LAYOUTS:
        lr_root = folder / lr_name.format(scale=scale)
        if (folder / hr_name).is_dir() and any(folder.glob(lr_name.format(scale="*"))):
            return folder / hr_name, lr_root if lr_root.is_dir() else None
    return folder, None


def require_hr(photos: Sequence[Photo], root: Path) -> None:
    """Raise ValueError if LR files are among HR photos, which would be trained on as if they were HR."""
    low = [photo for photo in photos if _LR_NAME.search(f"{root.absolute().name}/{photo.name}")]
    stems = {photo.hr_path.stem for photo in set(photos).difference(low)}
    if len(low) == len(photos):
        raise ValueError(
            f"Expected HR photos in {root}, but all {len(low)} are named like LR files, such as {low[0].hr_path}."
            " Set data.root to the folder of HR photos, and data.lr_root to this one."
        )
    partner = next((photo for photo in low if _LR_SUFFIX.sub("", photo.hr_path.stem) in stems), None)
    if partner is not None:
        raise ValueError(
            f"Expected only HR photos in {root}, but {partner.hr_path} is named like the LR partner of another."
            " Keep them in two folders: data.root=… for HR, data.lr_root=… for LR."
        )
