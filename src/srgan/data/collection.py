"""The photos of a run: decoded and checked once, then mapped from the cache or decoded at each use."""

import os
import sys
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from srgan.data.cache.entry import Entry, entry_name
from srgan.data.cache.folder import CacheWarning, DecodedCache
from srgan.data.photos import Photo
from srgan.data.photos.pair import Pair, make_pair, read_pair
from srgan.pictures.errors import ImageReadError
from srgan.pictures.find import LeftOutWarning
from srgan.pictures.rgb import read_rgb8
from srgan.system.files import listed

_SPARE_THREADS = 1  # beyond one per core, since some thread usually waits for the disk

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Collection:
    """The usable photos, decoded once into a cache; those that do not fit there are decoded at each use.

    Args:
        photos: The photos to use.
        scale: Size of HR over size of LR.
        min_size: Smallest usable side of an HR image in pixels.
        cache: Keeps decoded photos; None decodes all at each use.
        purpose: For messages: ``training`` or ``validation``.

    Raises:
        ValueError: If no photo is usable, or a pair does not match.

    Warns:
        LeftOutWarning: Once, with the files that cannot be used and why.
        CacheWarning: If not all fit in the cache.
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
            elif min(entry.hr_size) < min_size or entry.is_empty:
                left_out.append(_too_small(photo, entry, min_size))
            else:
                self.photos.append(photo)
                self._entries.append(entry)
        _report(left_out, num_used=len(self.photos), purpose=purpose)

    def __len__(self) -> int:
        """Number of usable photos."""
        return len(self.photos)

    def __getitem__(self, index: int) -> Pair:
        """The decoded pair of photo ``index``; of a cached one, only the pixels that are used are read from disk.

        Warns:
            CacheWarning: Once, if a file of the cache was removed or damaged since the run began.
        """
        entry = self._entries[index]
        images = entry.read() if entry.stored else None
        if images is not None:
            return Pair(*images)
        if entry.stored:
            folder = Path(entry.path).parent
            warnings.warn(
                f"Entries in {folder} were removed since the run began: decoding their photos.", CacheWarning, 2
            )
        return read_pair(self.photos[index], scale=self.scale)


def _too_small(photo: Photo, entry: Entry, min_size: int) -> str:
    reduced = f" at 1/{photo.reduction} of its size" if photo.reduction > 1 else ""
    height, width = entry.hr_size
    return f"{photo.hr_path}{reduced} is {width}x{height}, smaller than the {min_size}x{min_size} pixels needed."


def _decoded(photos: Sequence[Photo], *, scale: int) -> list[Entry | str]:
    """Decode each photo to check it; a reason for those that cannot be read."""
    seen: dict[int, Entry | str] = {}

    def look(indices: Sequence[int]) -> list[Entry | str]:
        return list(_made(photos, indices, lambda _, pair: Entry.of(pair.lr, pair.hr), scale=scale))

    groups = _by_file(photos, range(len(photos)))
    for indices, entries in zip(groups, _in_threads(look, groups), strict=True):
        seen.update(zip(indices, entries, strict=True))
    return [seen[index] for index in range(len(photos))]


def _cached(photos: Sequence[Photo], cache: DecodedCache, *, scale: int, purpose: str) -> list[Entry | str]:
    """Look up each photo, and decode new ones into the cache; a reason for those that cannot be read."""
    names = [_entry_name(photo, scale) for photo in photos]
    entries = [cache.find(name) if name else None for name in names]
    seen: dict[int, Entry | str] = {index: entry for index, entry in enumerate(entries) if entry is not None}

    def keep(index: int, pair: Pair) -> Entry:
        name = names[index]
        return cache.store(name, pair.lr, pair.hr) if name else Entry.of(pair.lr, pair.hr)

    def make(indices: Sequence[int]) -> dict[int, Entry | str]:
        again = {index: cache.find(name) for index in indices if (name := names[index])}
        # Made by another process, while this one waited.
        found = {index: entry for index, entry in again.items() if entry is not None and entry != entries[index]}
        rest = [index for index in indices if index not in found]
        return {**found, **dict(zip(rest, _made(photos, rest, keep, scale=scale), strict=True))}

    missing = cache.missing(entries)
    if missing:
        groups = _by_file(photos, missing)
        with cache.building():
            made = _in_threads(make, groups)
            # Shown only on a terminal, and after a second.
            for each in tqdm(made, f"Decoding {purpose} photos", len(groups), unit="photo", delay=1, disable=None):
                seen.update(each)
    cache.warn_of([entry for entry in seen.values() if isinstance(entry, Entry)])
    return [seen[index] for index in range(len(photos))]


def _by_file(photos: Sequence[Photo], indices: Iterable[int]) -> list[list[int]]:
    """Group photos by HR file, which is then decoded once for all of its reductions."""
    groups: dict[Path, list[int]] = defaultdict(list)
    for index in indices:
        groups[photos[index].hr_path].append(index)
    return list(groups.values())


def _made(
    photos: Sequence[Photo], indices: Sequence[int], use: Callable[[int, Pair], Entry], *, scale: int
) -> Iterator[Entry | str]:
    """Make the entries of the photos of one HR file; a reason for those that cannot be read."""
    if not indices:
        return
    try:
        hr = read_rgb8(photos[indices[0]].hr_path)
    except ImageReadError as error:
        yield from [str(error)] * len(indices)
        return
    for index in indices:
        try:
            pair = make_pair(photos[index], hr, scale=scale)
        except ImageReadError as error:
            yield str(error)
        else:
            yield use(index, pair)


def _entry_name(photo: Photo, scale: int) -> str | None:
    paths = [photo.hr_path, *([photo.lr_path] if photo.lr_path else [])]
    try:
        return entry_name(paths, scale=scale, reduction=photo.reduction)
    except OSError:  # the file is missing, which decoding reports
        return None


def num_cores() -> int:
    """How many cores this process may use; fewer than the machine has, if a job got only some."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _in_threads(function: Callable[[_In], _Out], items: Sequence[_In]) -> Iterator[_Out]:
    """The results in order. Only a few items are started ahead: no thread waits, and memory stays constant."""
    num_threads = num_cores() + _SPARE_THREADS
    results: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(max_workers=num_threads) as pool:
        try:
            for item in items:
                results.append(pool.submit(function, item))
                if len(results) > 4 * num_threads:
                    yield results.popleft().result()
            while results:
                yield results.popleft().result()
        finally:
            for result in results:
                result.cancel()


def _report(left_out: list[str], *, num_used: int, purpose: str) -> None:
    if not left_out:
        return
    if not num_used:
        raise ValueError(f"None of the {len(left_out)} {purpose} photos can be used:{listed(left_out)}")
    warnings.warn(f"Left out {len(left_out)} {purpose} photos:{listed(left_out)}", LeftOutWarning, stacklevel=3)
