"""The next files are read while the present one is computed, and small ones of one size computed together with it.

Each is still written and reported separately.

What the network is about to be asked by the next files is computed ahead, as far as it has the size of what the present
one asks. Asked for it, the result is there; asked for anything else, it is computed as ever. A GPU that is idle most of
the time with one small picture gains from that. A CPU does not: see docs/performance.md.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from srgan.inference import in_levels
from srgan.inference.channels import fill_transparent
from srgan.inference.tiling import Canvas
from srgan.inference.upscaler import Upscaler
from srgan.pictures import Picture, read_pictures
from srgan.system.device import available_memory

_SIDE = 256  # of the largest picture that counts as small; one of that size keeps a GPU busy by itself
_WINDOW = 4  # times batch_size: how many files ahead are looked through for those of one size
_NEXT = 2  # files that are read ahead where nothing is computed ahead
_SHARE = 32  # part of the free memory that pictures read ahead may take; larger ones are read in their turn
_BYTES_PER_PIXEL = 16  # of a picture in floats, with alpha


class Batches:
    """Reads files and enlarges tensors, for small pictures several at once.

    Beside the present file's it holds no more than the pictures of ``look_ahead`` files, in a small part of the memory
    that is free, and the results of ``batch_size`` small ones: those that have no more pixels than a tile,
    nor than 256x256.

    Args:
        upscaler: The network; its ``batch_size`` says how many pictures at once.
        max_pixels: The most pixels that a file may have.
    """

    def __init__(self, upscaler: Upscaler, *, max_pixels: int) -> None:
        self._upscaler, self._max_pixels = upscaler, max_pixels
        side = min(upscaler.tile_size, _SIDE) if isinstance(upscaler.tile_size, int) else _SIDE
        self._small = min(side**2, max_pixels)
        free = available_memory(torch.device("cpu"))
        fitting = max_pixels if free is None else free // (_SHARE * _BYTES_PER_PIXEL * self.look_ahead)
        self._ahead = min(max(fitting, self._small), max_pixels)
        # One thread, since one file at a time can be read.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="read")
        self._read: dict[Path, Future[list[Picture] | None]] = {}  # ahead of their turn; None: too large, unreadable
        self._answers: dict[Path, list[tuple[Tensor, Tensor]]] = {}  # what each is going to ask, and the results
        self._present: list[tuple[Tensor, Tensor]] = []
        self._seconds: dict[Path, float] = {}

    @property
    def look_ahead(self) -> int:
        """How many of the files to come ``frames`` has use for."""
        return _WINDOW * self._upscaler.batch_size if self._upscaler.batch_size > 1 else _NEXT

    def frames(self, source: Path, ahead: Sequence[Path] = ()) -> list[Picture]:
        """Read a file whose turn it is, and compute ahead what others are going to ask together with it.

        Args:
            source: The file.
            ahead: Files whose turn comes later.

        Raises:
            ImageReadError: If ``source`` cannot be read, or is too large; of the others each is told in its turn.
        """
        for path in ahead:
            self._begin_to_read(path)
        if ahead and self._upscaler.batch_size > 1 and source not in self._answers:
            self._begin_to_read(source)
            self._compute([source, *ahead])
        self._present = self._answers.pop(source, [])
        read = self._read.pop(source).result() if source in self._read else None
        return read or read_pictures(source, max_pixels=self._max_pixels, scale=self._upscaler.scale)

    @property
    def enlarge(self) -> Callable[..., Tensor]:
        """As ``Upscaler.enlarge``, of what the present file asks."""
        return self._look_up if self._present else self._upscaler.enlarge

    def _look_up(self, lr: Tensor, *, out: Canvas) -> Tensor:
        for asked, sr in self._present:
            if asked.shape == lr.shape and torch.equal(asked, lr):
                canvas = out(tuple(sr.shape))
                return canvas.copy_(in_levels(sr, canvas.dtype))
        return self._upscaler.enlarge(lr, out=out)

    def settle(self, source: Path) -> float:
        """Seconds spent on a file in others' turns, less those spent on others in its own."""
        return self._seconds.pop(source, 0.0)

    def _compute(self, sources: Sequence[Path]) -> None:
        start = time.perf_counter()
        group = self._of_one_size(sources)
        if len(group) < 2:
            return
        lr = torch.cat([each for asked in group.values() for each in asked])
        self._answers |= {path: [] for path in group}
        try:
            results = iter(self._upscaler.enlarge(lr))
        except (ValueError, RuntimeError, MemoryError):
            return  # each alone, in its turn, so that an error is reported for its own picture
        share = (time.perf_counter() - start) / len(group)
        for path, asked in group.items():
            self._answers[path] = [(each, next(results)[None]) for each in asked]
            self._seconds[path] = share
        self._seconds[sources[0]] -= share * len(group)

    def _begin_to_read(self, path: Path) -> None:
        if path not in self._read:
            self._read[path] = self._reader.submit(self._read_ahead, path)

    def _read_ahead(self, path: Path) -> list[Picture] | None:
        try:
            return read_pictures(path, max_pixels=self._ahead)
        except (OSError, ValueError, MemoryError):
            return None

    def _small_frames(self, path: Path) -> list[Picture] | None:
        frames = self._read[path].result()
        small = frames is not None and sum(frame.rgb[0, 0].numel() for frame in frames) <= self._small
        return frames if small else None

    def _of_one_size(self, sources: Sequence[Path]) -> dict[Path, list[Tensor]]:
        """The first file and its like, as many as a batch holds, each with what it asks; none if its pages differ."""
        first = self._small_frames(sources[0])
        if first is None or any(frame.size != first[0].size for frame in first):
            return {}
        group: dict[Path, list[Tensor]] = {}
        left = self._upscaler.batch_size
        for path in sources:
            frames = None if path in self._answers else self._small_frames(path)
            if frames is None or any(frame.size != first[0].size for frame in frames):
                continue
            asked = [each for frame in frames for each in _asked(frame)]
            if not group or len(asked) <= left:
                group[path] = asked
                left -= len(asked)
        return group


def _asked(picture: Picture) -> list[Tensor]:
    """What enlarging a picture asks the network: its colours, and its alpha where that is not the same all over."""
    alpha = picture.alpha
    if alpha is None:
        return [picture.rgb]
    colours = fill_transparent(picture.rgb, alpha)
    return [colours] if alpha.min() == alpha.max() else [colours, alpha.expand(-1, 3, -1, -1)]
