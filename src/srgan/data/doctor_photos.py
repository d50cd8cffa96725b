"""Checks of single photos, and of a collection: unreadable, too small, enlarged before; duplicates and leakage."""

import hashlib
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.data.doctor_findings import Finding
from srgan.data.doctor_sharpness import find_enlargement
from srgan.images import ImageReadError, read_uint8

_LUMA = (0.299, 0.587, 0.114)
_THUMBNAIL = 64  # pixels a side
_NUM_FREQUENCIES = 16  # a side: 255 signs without the mean's
_NEAR = (
    45  # of 255 signs that may differ between two files of one picture; those of different ones differ in 100 or more
)
_FLAT = 1.0  # levels: a thumbnail with less in it says nothing
_BLOCK = 1024  # photos to compare at once with all others


@dataclass(frozen=True)
class Portrait:
    """What is kept of a photo to compare it with others: its side of the split, its pixels' digest, its signature."""

    file: str
    side: str
    digest: bytes
    signature: Tensor


def read_or_finding(path: Path) -> Tensor | Finding:
    """Read a picture, uint8 of shape (3, H, W), or say why it cannot be read."""
    try:
        return read_uint8(path)
    except ImageReadError as error:
        name = "truncated" if "truncated" in str(error) else "unreadable"
        reason = str(error).removeprefix(f"Cannot read {path}: ").removesuffix(". Replace or remove it.")
        return Finding(name, str(path), reason)


def photo_findings(hr: Tensor, *, min_size: int, file: str) -> list[Finding]:
    """Check one photo.

    Args:
        hr: uint8, shape (3, H, W).
        min_size: Smallest usable side in pixels.
        file: Its path, for the findings.
    """
    height, width = hr.shape[1:]
    if min(height, width) < min_size:
        amount = f"{width}x{height}, needed {min_size}x{min_size}"
        return [Finding("too_small", file, amount, {"width": width, "height": height, "needed": min_size})]
    factor = find_enlargement(luma(hr))
    if factor is None:
        return []
    return [Finding("upscaled", file, f"about x{factor:g}", {"factor": factor})]


def luma(image: Tensor) -> Tensor:
    """Luma in levels, float, shape (H, W), of a uint8 picture (3, H, W)."""
    return (image.float() * torch.tensor(_LUMA).view(3, 1, 1)).sum(dim=0)


def portrait(hr: Tensor, *, file: str, side: str) -> Portrait:
    """What to compare a photo by.

    The signature is a perceptual hash: the signs of the 255 lowest frequencies of a thumbnail of 64x64 pixels, which
    survive compression, resizing and small changes of tone (Zauner 2010, "Implementation and benchmarking of perceptual
    image hash functions"). All zeros for a flat picture, which is near to none.
    """
    digest = hashlib.blake2b(hr.numpy().tobytes(), digest_size=16, key=f"{tuple(hr.shape)}".encode()).digest()
    thumbnail = interpolate(luma(hr)[None, None], (_THUMBNAIL, _THUMBNAIL), mode="area")[0, 0]
    signature = (_cosines() @ thumbnail @ _cosines().mT).sign()
    signature[0, 0] = 0
    return Portrait(file, side, digest, signature.flatten() * float(thumbnail.std() > _FLAT))


def collection_findings(portraits: Sequence[Portrait]) -> list[Finding]:
    """Photos that come twice, or nearly: on one side of the split a duplicate, on both sides leakage."""
    by_digest: dict[bytes, list[Portrait]] = {}
    for each in portraits:
        by_digest.setdefault(each.digest, []).append(each)
    findings = [_twice(again, first) for first, *others in by_digest.values() for again in others]
    return findings + list(_near(list(portraits)))


def _near(portraits: list[Portrait]) -> Iterable[Finding]:
    """For each photo the nearest of those before it, one on each side of the split, if it is near and not the same."""
    if not portraits:
        return
    signatures = torch.stack([each.signature for each in portraits])
    lengths = signatures.abs().sum(dim=1)
    places = torch.arange(len(portraits))
    digests, sides = (_numbered(keys) for keys in ([p.digest for p in portraits], [p.side for p in portraits]))
    for start in range(0, len(portraits), _BLOCK):
        rows = slice(start, start + _BLOCK)
        differing = (torch.minimum(lengths[rows, None], lengths) - signatures[rows] @ signatures.mT) / 2
        others = (places < places[rows, None]) & (digests != digests[rows, None]) & (lengths > 0)
        others &= lengths[rows, None] > 0
        for side in range(int(sides.max()) + 1):
            nearest = differing.masked_fill(~(others & (sides == side)), math.inf).min(dim=1)
            for row in (nearest.values <= _NEAR).nonzero().flatten().tolist():
                first = portraits[int(nearest.indices[row])]
                yield _twice(portraits[start + row], first, distance=int(nearest.values[row]))


def _numbered(keys: Sequence[Hashable]) -> Tensor:
    """A number for each key, the same for equal ones."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return torch.tensor([numbers[key] for key in keys])


def _twice(again: Portrait, first: Portrait, *, distance: int = 0) -> Finding:
    same, leaks = again.digest == first.digest, again.side != first.side
    name = "leakage" if leaks else "duplicate" if same else "near_duplicate"
    how = "same as" if same else f"{distance} of 255 signs differ from"
    values: dict[str, float | str] = {"other": first.file, "distance": distance}
    return Finding(name, again.file, f"{how} {first.file}" + (f" ({first.side})" if leaks else ""), values)


def _cosines() -> Tensor:
    """The lowest rows of the discrete cosine transform, shape (frequencies, pixels)."""
    frequencies = torch.arange(_NUM_FREQUENCIES)[:, None]
    return (math.pi * (2 * torch.arange(_THUMBNAIL) + 1) * frequencies / (2 * _THUMBNAIL)).cos()
