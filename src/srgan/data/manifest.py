"""The names and sizes of a collection's files: a fingerprint, and changes since a checkpoint."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from srgan.data.collection import Collection
from srgan.data.photos import Photo

_MAX_NAMES = 3
_SEPARATOR = "\0"  # never in a file's name

Manifest = dict[str, tuple[int, int]]  # photo → bytes of its HR file and of its LR partner, 0 if LR is made


def manifest(found: Iterable[Photo], collection: Collection) -> Manifest:
    """Names and sizes of the files of a collection; a file used at several sizes counts once.

    Args:
        found: The photos in the folders.
        collection: Those of them that can be used.

    Raises:
        OSError: If a file was removed in the meantime.
    """
    used = {photo.hr_path for photo in collection.photos}
    return {
        photo.name: (photo.hr_path.stat().st_size, photo.lr_path.stat().st_size if photo.lr_path else 0)
        for photo in found
        if photo.hr_path in used
    }


def fingerprint(*manifests: Manifest) -> str:
    """Twelve hex digits that identify the photos, wherever they are stored."""
    digest = hashlib.sha256()
    for each in manifests:
        digest.update(repr(sorted(each.items())).encode())
    return digest.hexdigest()[:12]


def changes(before: Manifest, now: Manifest) -> str | None:
    """The differences in words: ``2 photos added (a.png, b.png), 1 changed (c.png)``; None if there are none."""
    kinds = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [name for name in now if before.get(name, now[name]) != now[name]],
    }
    parts = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in kinds.items() if names]
    if not parts:
        return None
    number, rest = parts[0].split(" ", 1)
    return ", ".join([f"{number} {'photo' if number == '1' else 'photos'} {rest}", *parts[1:]])


def packed(files: Manifest) -> dict[str, Any]:
    """A manifest for a checkpoint: one text and one tensor are read at once, even for 100 000 photos."""
    return {"names": _SEPARATOR.join(files), "sizes": torch.tensor(list(files.values()), dtype=torch.int64)}


def unpacked(stored: Mapping[str, Any]) -> Manifest:
    """The inverse of ``packed``."""
    names = stored["names"].split(_SEPARATOR)
    return {name: (hr, lr) for name, (hr, lr) in zip(names, stored["sizes"].tolist(), strict=True)}


def _listed(names: list[str]) -> str:
    return ", ".join([*sorted(names)[:_MAX_NAMES], *(["…"] if len(names) > _MAX_NAMES else [])])
