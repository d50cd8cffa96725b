"""Checks of a collection: pictures that come twice, or nearly, in one place or in places that are to be apart."""

import hashlib
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.data.doctor.findings import Finding
from srgan.data.doctor.photos import luma

TRAIN, VAL, TEST = SIDES = "train", "val", "test"
_THUMBNAIL = 64  # pixels a side
_NUM_FREQUENCIES = 16  # a side: 255 signs without the mean's
_NEAR = 45  # of 255 signs that may differ in files of one picture; in those of different ones 100 or more do
_FLAT = 1.0  # levels: a thumbnail with less in it says nothing
_BLOCK = 1024  # photos to compare at once with as many others


@dataclass(frozen=True)
class Portrait:
    """What is kept of a photo to compare it with others.

    Args:
        file: Its path.
        side: What it serves for, one of ``SIDES``.
        digest: Of its pixels.
        signature: Its perceptual hash: -1, 0 or 1, int8, of one length for all.
    """

    file: str
    side: str
    digest: bytes
    signature: Tensor


def portrait(hr: Tensor, *, file: str, side: str) -> Portrait:
    """What to compare a photo by.

    The signature is a perceptual hash: the signs of the 255 lowest frequencies of a thumbnail of 64x64 pixels, which
    survive compression, resizing and small changes of tone (Zauner 2010, "Implementation and benchmarking of perceptual
    image hash functions"). All zeros for a flat picture, which is near to none.

    Args:
        hr: uint8, shape (3, H, W).
        file: Its path.
        side: One of ``SIDES``.
    """
    digest = hashlib.blake2b(hr.numpy().tobytes(), digest_size=16, key=f"{tuple(hr.shape)}".encode()).digest()
    thumbnail = interpolate(luma(hr)[None, None], (_THUMBNAIL, _THUMBNAIL), mode="area")[0, 0]
    signature = (_cosines() @ thumbnail @ _cosines().mT).sign()
    signature[0, 0] = 0
    return Portrait(file, side, digest, (signature.flatten() * float(thumbnail.std() > _FLAT)).to(torch.int8))


def collection_findings(portraits: Sequence[Portrait]) -> list[Finding]:
    """Pictures that come twice, or nearly: in one place a duplicate, in training and another place leakage."""
    by_digest: dict[bytes, list[Portrait]] = {}
    for each in portraits:
        by_digest.setdefault(each.digest, []).append(each)
    same = [(again, first, 0) for first, *others in by_digest.values() for again in others]
    return [_twice(*pair) for pair in [*same, *_near(portraits)] if _is_fault(*pair[:2])]


def _is_fault(one: Portrait, other: Portrait) -> bool:
    """Validation and test may have pictures in common, as they do where there is no test set."""
    return one.side == other.side or TRAIN in (one.side, other.side)


def _near(portraits: Sequence[Portrait]) -> Iterable[tuple[Portrait, Portrait, int]]:
    """For each photo the nearest of those before it, one of each side, if it is near and not the same; how far it is.

    Compared some with some at a time, so that memory does not grow with the square of their number.
    """
    if not portraits:
        return
    signatures = torch.stack([each.signature for each in portraits])
    digests, sides = _numbered([each.digest for each in portraits]), _numbered([each.side for each in portraits])
    for start in range(0, len(portraits), _BLOCK):
        rows = slice(start, start + _BLOCK)
        shape = int(sides.max()) + 1, len(signatures[rows])
        nearest, firsts = torch.full(shape, math.inf), torch.zeros(shape, dtype=torch.long)
        for left in range(0, start + 1, _BLOCK):
            columns = slice(left, left + _BLOCK)
            differing = _differing(signatures[rows].float(), signatures[columns].float())
            differing[digests[rows, None] == digests[columns]] = math.inf
            if left == start:  # those before a photo alone
                differing[torch.ones_like(differing, dtype=torch.bool).triu()] = math.inf
            if differing.min() > _NEAR:
                continue
            for side, (best, first) in enumerate(zip(nearest, firsts, strict=True)):
                found = differing.masked_fill(sides[columns] != side, math.inf).min(dim=1)
                nearer = found.values < best
                best[nearer], first[nearer] = found.values[nearer], left + found.indices[nearer]
        for side, row in (nearest <= _NEAR).nonzero().tolist():
            yield portraits[start + row], portraits[int(firsts[side, row])], int(nearest[side, row])


def _differing(one: Tensor, other: Tensor) -> Tensor:
    """In how many signs each of (N, L) differs from each of (M, L), shape (N, M); infinite for what has none."""
    lengths = torch.minimum(one.abs().sum(dim=1)[:, None], other.abs().sum(dim=1))
    return ((lengths - one @ other.mT) / 2).masked_fill(lengths == 0, math.inf)


def _numbered(keys: Sequence[Hashable]) -> Tensor:
    """A number for each key, the same for equal ones."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return torch.tensor([numbers[key] for key in keys])


def _twice(again: Portrait, first: Portrait, distance: int) -> Finding:
    same, leaks = again.digest == first.digest, again.side != first.side
    name = "leakage" if leaks else "duplicate" if same else "near_duplicate"
    how = "same as" if same else f"{distance} of 255 signs differ from"
    values: dict[str, float | str] = {"other": first.file, "distance": distance}
    return Finding(name, again.file, f"{how} {first.file}" + (f" ({first.side})" if leaks else ""), values)


def _cosines() -> Tensor:
    """The lowest rows of the discrete cosine transform, shape (frequencies, pixels)."""
    frequencies = torch.arange(_NUM_FREQUENCIES)[:, None]
    return (math.pi * (2 * torch.arange(_THUMBNAIL) + 1) * frequencies / (2 * _THUMBNAIL)).cos()
