"""What a run reads: photos decoded and checked once, then mapped from the cache or decoded at each use."""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from srgan.data.cache import CacheWarning, DecodedCache, Entry, entry_name
from srgan.data.degradations import bicubic
from srgan.data.photos import MAX_LISTED, LeftOutWarning, Photo
from srgan.images import ImageReadError, read_uint8, to_float, to_uint8

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Pair:
    """A decoded photo: ``lr`` uint8 (3, h, w) and ``hr`` uint8 (3, scale * h, scale * w)."""

    lr: Tensor
    hr: Tensor


def read_pair(photo: Photo, *, scale: int) -> Pair:
    """Decode a photo and make, or decode, its LR picture.

    Rows and columns beyond a multiple of the scale are cut off HR at its bottom and right, as the papers do.

    Raises:
        ImageReadError: If a file cannot be read.
        ValueError: If a partner's size is not the HR size divided by the scale; names both files and sizes.
    """
    hr = read_uint8(photo.hr_path)
    if photo.lr_path is None:
        if min(hr.shape[1:]) < photo.reduction * scale:
            side = math.ceil(photo.reduction * scale)
            raise ImageReadError(f"{photo.hr_path} is smaller than {side}x{side} pixels.")
        hr = _trimmed(_reduced(hr, photo.reduction), scale)
        return Pair(bicubic(hr, scale), hr)
    lr = read_uint8(photo.lr_path)
    if not _fit(hr, lr, scale):
        fits = next((f" They fit scale={factor}." for factor in range(1, 9) if _fit(hr, lr, factor)), "")
        raise ValueError(
            f"Expected {photo.hr_path} to be {scale} times as large as {photo.lr_path}, got {_size(hr)} and {_size(lr)}"
            f" (width x height).{fits} Correct the pair or set scale to match."
        )
    return Pair(lr, hr[:, : scale * lr.shape[1], : scale * lr.shape[2]])


def _fit(hr: Tensor, lr: Tensor, factor: int) -> bool:
    return all(0 <= large - factor * small < factor for large, small in zip(hr.shape[1:], lr.shape[1:], strict=True))


def _reduced(image: Tensor, factor: float) -> Tensor:
    """The picture made smaller by bicubic; by whole factors in MATLAB's convention, borders included."""
    if factor == 1:
        return image
    if float(factor).is_integer():
        return bicubic(_trimmed(image, int(factor)), int(factor))
    size = [round(side / factor) for side in image.shape[-2:]]
    return to_uint8(interpolate(to_float(image)[None], size=size, mode="bicubic", antialias=True))[0]


def _trimmed(image: Tensor, factor: int) -> Tensor:
    """The picture without the last rows and columns that are no multiple of the factor."""
    height, width = image.shape[-2:]
    return image[:, : height // factor * factor, : width // factor * factor]


class Collection:
    """Photos that can be read, decoded once into a cache; those that find no room there are decoded at each use.

    Args:
        photos: What to use.
        scale: Size of HR over size of LR.
        min_size: Smallest usable side of an HR picture in pixels.
        cache: Where decoded photos are kept; None decodes all at each use.
        purpose: For messages: ``training`` or ``validation``.

    Raises:
        ValueError: If no photo is usable, or a pair does not match.

    Warns:
        LeftOutWarning: Once, listing the files that cannot be used and why.
        CacheWarning: If the cache cannot take all.
    """

    def __init__(
        self, photos: Sequence[Photo], *, scale: int, min_size: int, cache: DecodedCache | None = None, purpose: str
    ) -> None:
        self.scale = scale
        self.photos: list[Photo] = []
        self._entries: list[Entry] = []
        left_out: list[str] = []
        seen = _decoded(photos, scale=scale) if cache is None else _cached(photos, cache, scale=scale, purpose=purpose)
        for photo, entry in zip(photos, seen, strict=True):
            if isinstance(entry, str):
                left_out.append(entry)
            elif min(entry.hr_size) < min_size:
                left_out.append(_too_small(photo, entry, min_size))
            else:
                self.photos.append(photo)
                self._entries.append(entry)
        _report(left_out, num_used=len(self.photos), purpose=purpose)

    def __len__(self) -> int:
        """Number of usable photos."""
        return len(self.photos)

    def __getitem__(self, index: int) -> Pair:
        """The decoded pair of photo ``index``; of a view of a cached one, only what is used is read.

        Warns:
            CacheWarning: Once, if a file of the cache has gone or was damaged since the run began.
        """
        entry = self._entries[index]
        images = entry.read() if entry.stored else None
        if images is not None:
            return Pair(*images)
        if entry.stored:
            folder = Path(entry.path).parent
            warnings.warn(f"Entries of {folder} have gone since the run began: decoding them.", CacheWarning, 2)
        return read_pair(self.photos[index], scale=self.scale)


def _too_small(photo: Photo, entry: Entry, min_size: int) -> str:
    reduced = f" at 1/{photo.reduction} of its size" if photo.reduction > 1 else ""
    height, width = entry.hr_size
    return f"{photo.hr_path}{reduced} is {width}x{height}, smaller than the {min_size}x{min_size} pixels needed."


def _decoded(photos: Sequence[Photo], *, scale: int) -> Iterator[Entry | str]:
    """Look at each photo by decoding it; a reason where that fails."""

    def look(photo: Photo) -> Entry | str:
        try:
            pair = read_pair(photo, scale=scale)
        except ImageReadError as error:
            return str(error)
        return Entry.of(pair.lr, pair.hr)

    return _in_threads(look, photos)


def _cached(photos: Sequence[Photo], cache: DecodedCache, *, scale: int, purpose: str) -> list[Entry | str]:
    """Look each photo up, and decode those that are new into the cache; a reason where that fails."""
    names = [_entry_name(photo, scale) for photo in photos]
    entries = [cache.find(name) if name else None for name in names]
    seen: list[Entry | str | None] = [*entries]

    def make(index: int) -> Entry | str:
        name = names[index]
        entry = cache.find(name) if name else None
        if entry is not None and entry != entries[index]:
            return entry  # from another process, while this one waited
        try:
            pair = read_pair(photos[index], scale=scale)
        except ImageReadError as error:
            return str(error)
        return cache.store(name, pair.lr, pair.hr) if name else Entry.of(pair.lr, pair.hr)

    missing = cache.missing(entries)
    if missing:
        with cache.building():
            made = _in_threads(make, missing)
            # The bar is for people, and for what they would notice.
            shown = tqdm(made, f"Decoding {purpose} photos", len(missing), unit="photo", delay=1, disable=None)
            for index, entry in zip(missing, shown, strict=True):
                seen[index] = entry
    return [entry for entry in seen if entry is not None]


def _entry_name(photo: Photo, scale: int) -> str | None:
    paths = [photo.hr_path, *([photo.lr_path] if photo.lr_path else [])]
    try:
        return entry_name(paths, scale=scale, reduction=photo.reduction)
    except OSError:  # of a missing file; decoding it says so
        return None


def _in_threads(function: Callable[[_In], _Out], items: Sequence[_In]) -> Iterator[_Out]:
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=num_threads) as pool:
        for batch in _batched(items, 4 * num_threads):  # by itself, map would not stop before all is done
            yield from pool.map(function, batch)


def _batched(items: Sequence[_In], size: int) -> Iterator[Sequence[_In]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _report(left_out: list[str], *, num_used: int, purpose: str) -> None:
    if not left_out:
        return
    lines = "\n  ".join(left_out[:MAX_LISTED])
    more = f"\n  … and {len(left_out) - MAX_LISTED} more" if len(left_out) > MAX_LISTED else ""
    if not num_used:
        raise ValueError(f"None of the {len(left_out)} {purpose} photos can be used:\n  {lines}{more}")
    warnings.warn(f"Left out {len(left_out)} {purpose} photos:\n  {lines}{more}", LeftOutWarning, stacklevel=3)


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
