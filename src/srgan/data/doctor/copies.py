"""Finds duplicate and near-duplicate photos, within a side of the split or across sides (leakage)."""

import hashlib
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.data.doctor.findings import Finding
from srgan.data.doctor.photos import luma

TRAIN, VAL, TEST = "train", "val", "test"
_THUMBNAIL = 64  # pixels per side
_NUM_FREQUENCIES = 16  # per side: 255 signs without the mean's
_NEAR = 45  # of 255 signs may differ between files of the same photo; between different photos 100 or more do
_FLAT = 1.0  # levels: the signs of a flatter thumbnail mean nothing
_BLOCK = 1024  # photos to compare at once with as many others


@dataclass(frozen=True)
class Signature:
    """What identifies a photo, to compare it with others.

    Args:
        file: Its path.
        side: Its use: ``train``, ``val`` or ``test``.
        digest: Hash of its pixels.
        signs: Its perceptual hash: -1, 0 or 1, int8, of the same length for all photos.
    """

    file: str
    side: str
    digest: bytes
    signs: Tensor


def signature(hr: Tensor, *, file: str, side: str) -> Signature:
    """The signature of a photo.

    Its perceptual hash is the signs of the 255 lowest frequencies of a 64x64 thumbnail, which survive compression,
    resizing and small changes of tone (Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions"). All zeros for a flat photo, which is near no other.

    Args:
        hr: uint8, shape (3, H, W).
        file: Its path.
        side: Its use.
    """
    digest = hashlib.blake2b(hr.numpy().tobytes(), digest_size=16, key=f"{tuple(hr.shape)}".encode()).digest()
    thumbnail = interpolate(luma(hr)[None, None], (_THUMBNAIL, _THUMBNAIL), mode="area")[0, 0]
    signs = (_cosines() @ thumbnail @ _cosines().mT).sign()
    signs[0, 0] = 0
    return Signature(file, side, digest, (signs.flatten() * float(thumbnail.std() > _FLAT)).to(torch.int8))


def collection_findings(signatures: Sequence[Signature]) -> list[Finding]:
    """Photos that are (nearly) the same: duplicates on one side, leakage between training and another side."""
    by_digest: dict[bytes, list[Signature]] = {}
    for each in signatures:
        by_digest.setdefault(each.digest, []).append(each)
    same = [(again, first, 0) for first, *others in by_digest.values() for again in others]
    return [_twice(*pair) for pair in [*same, *_near(signatures)] if _is_fault(*pair[:2])]


def _is_fault(one: Signature, other: Signature) -> bool:
    """Validation and test may share photos, as they do without a test set."""
    return one.side == other.side or TRAIN in (one.side, other.side)


def _near(photos: Sequence[Signature]) -> Iterable[tuple[Signature, Signature, int]]:
    """For each photo and side, the nearest earlier photo and its distance, if it is near and not the same.

    Compared block by block, so that memory does not grow with the square of the number of photos.
    """
    if not photos:
        return
    signs = torch.stack([each.signs for each in photos])
    digests, sides = _numbered([each.digest for each in photos]), _numbered([each.side for each in photos])
    for start in range(0, len(photos), _BLOCK):
        rows = slice(start, start + _BLOCK)
        shape = int(sides.max()) + 1, len(signs[rows])
        nearest, firsts = torch.full(shape, math.inf), torch.zeros(shape, dtype=torch.long)
        for left in range(0, start + 1, _BLOCK):
            columns = slice(left, left + _BLOCK)
            differing = _differing(signs[rows].float(), signs[columns].float())
            differing[digests[rows, None] == digests[columns]] = math.inf
            if left == start:  # compare with earlier photos only
                differing[torch.ones_like(differing, dtype=torch.bool).triu()] = math.inf
            if differing.min() > _NEAR:
                continue
            for side, (best, first) in enumerate(zip(nearest, firsts, strict=True)):
                found = differing.masked_fill(sides[columns] != side, math.inf).min(dim=1)
                nearer = found.values < best
                best[nearer], first[nearer] = found.values[nearer], left + found.indices[nearer]
        for side, row in (nearest <= _NEAR).nonzero().tolist():
            yield photos[start + row], photos[int(firsts[side, row])], int(nearest[side, row])


def _differing(one: Tensor, other: Tensor) -> Tensor:
    """The number of differing signs between each of (N, L) and each of (M, L), shape (N, M); infinite without signs."""
    lengths = torch.minimum(one.abs().sum(dim=1)[:, None], other.abs().sum(dim=1))
    return ((lengths - one @ other.mT) / 2).masked_fill(lengths == 0, math.inf)


def _numbered(keys: Sequence[Hashable]) -> Tensor:
    """A number per key, the same for equal keys."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return torch.tensor([numbers[key] for key in keys])


def _twice(again: Signature, first: Signature, distance: int) -> Finding:
    same, leaks = again.digest == first.digest, again.side != first.side
    name = "leakage" if leaks else "duplicate" if same else "near_duplicate"
    how = "same as" if same else f"{distance} of 255 signs differ from"
    values: dict[str, float | str] = {"other": first.file, "distance": distance}
    return Finding(name, again.file, f"{how} {first.file}" + (f" ({first.side})" if leaks else ""), values)


def _cosines() -> Tensor:
    """The lowest rows of the discrete cosine transform, shape (frequencies, pixels)."""
    frequencies = torch.arange(_NUM_FREQUENCIES)[:, None]
    return (math.pi * (2 * torch.arange(_THUMBNAIL) + 1) * frequencies / (2 * _THUMBNAIL)).cos()
