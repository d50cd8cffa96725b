"""Small pictures of one size go through the network together, though each file is read, written and told of by itself.

What the network is about to be asked by the next files is computed ahead, as far as it has the size of what the present
one asks. Asked for it, the result is there; asked for anything else, it is computed as ever. A GPU that is idle most of
the time with one small picture gains from that. A CPU does not: see docs/performance.md.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from srgan.inference import in_levels
from srgan.inference.channels import fill_transparent
from srgan.inference.upscaler import Upscaler
from srgan.pictures import Picture, read_pictures

_SIDE = 256  # of the largest picture that counts as small; one of that size keeps a GPU busy by itself
_WINDOW = 4  # times batch_size: how many files ahead are looked through for those of one size


class Batches:
    """Reads files and enlarges tensors, for small pictures several at once.

    Beside the present file's it holds no more than the small pictures of ``look_ahead`` files, and the results of
    ``batch_size`` of them: those that have no more pixels than a tile, nor than 256x256.

    Args:
        upscaler: The network; its ``batch_size`` says how many pictures at once.
        max_pixels: The most pixels that a file may have.
    """

    def __init__(self, upscaler: Upscaler, *, max_pixels: int) -> None:
        self._upscaler, self._max_pixels = upscaler, max_pixels
        side = min(upscaler.tile_size, _SIDE) if isinstance(upscaler.tile_size, int) else _SIDE
        self._small = min(side**2, max_pixels)
        self._read: dict[Path, list[Picture] | None] = {}  # ahead of their turn; None: not small, or not readable
        self._answers: dict[Path, list[tuple[Tensor, Tensor]]] = {}  # what each is going to ask, and the results
        self._present: list[tuple[Tensor, Tensor]] = []
        self._seconds: dict[Path, float] = {}

    @property
    def look_ahead(self) -> int:
        """How many of the files to come ``frames`` has use for."""
        return _WINDOW * self._upscaler.batch_size if self._upscaler.batch_size > 1 else 0

    def frames(self, source: Path, ahead: Sequence[Path] = ()) -> list[Picture]:
        """Read a file whose turn it is, and compute ahead what others are going to ask together with it.

        Args:
            source: The file.
            ahead: Files whose turn comes later.

        Raises:
            ImageReadError: If ``source`` cannot be read, or is too large; of the others each is told in its turn.
        """
        if ahead and source not in self._answers:
            self._compute([source, *ahead])
        self._present = self._answers.pop(source, [])
        read = self._read.pop(source, None)
        return read or read_pictures(source, max_pixels=self._max_pixels, scale=self._upscaler.scale)

    def enlarge(self, lr: Tensor, *, out: Tensor | None = None) -> Tensor:
        """As ``Upscaler.enlarge``, of what the present file asks."""
        for asked, sr in self._present:
            if asked.shape == lr.shape and torch.equal(asked, lr):
                return sr if out is None else out.copy_(in_levels(sr, out.dtype))
        return self._upscaler.enlarge(lr, out=out)

    def settle(self, source: Path) -> float:
        """Seconds spent on a file in others' turns, less those spent on others in its own."""
        return self._seconds.pop(source, 0.0)

    def _compute(self, sources: Sequence[Path]) -> None:
        start = time.perf_counter()
        for path in sources:
            if path not in self._read:
                self._read[path] = self._read_small(path)
        group = self._of_one_size(sources)
        if len(group) < 2:
            return
        lr = torch.cat([each for asked in group.values() for each in asked])
        self._answers |= {path: [] for path in group}
        try:
            results = iter(self._upscaler.enlarge(lr))
        except (ValueError, RuntimeError, MemoryError):
            return  # each alone, in its turn: what is wrong with one is told of that one
        share = (time.perf_counter() - start) / len(group)
        for path, asked in group.items():
            self._answers[path] = [(each, next(results)[None]) for each in asked]
            self._seconds[path] = share
        self._seconds[sources[0]] -= share * len(group)

    def _read_small(self, path: Path) -> list[Picture] | None:
        try:
            return read_pictures(path, max_pixels=self._small)
        except (OSError, ValueError):
            return None

    def _of_one_size(self, sources: Sequence[Path]) -> dict[Path, list[Tensor]]:
        """The first file and its like, as many as a batch holds, each with what it asks; none if its pages differ."""
        first = self._read[sources[0]]
        if first is None or any(frame.size != first[0].size for frame in first):
            return {}
        group: dict[Path, list[Tensor]] = {}
        left = self._upscaler.batch_size
        for path in sources:
            frames = self._read[path]
            if frames is None or path in self._answers or any(frame.size != first[0].size for frame in frames):
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
