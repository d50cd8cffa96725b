"""How pictures are cut into tiles of one size, how large these may be, and what to do where they are too large."""

import math
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from srgan.inference.wrapper import Network
from srgan.system.device import available_memory

# Sides that are tried for tile_size=auto. On a CPU larger ones save little for the memory that they take; see docs.
_CPU_SIDES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
_ACCELERATOR_SIDES = (*_CPU_SIDES, 768, 1024)
_SHARE = 0.5  # of the memory that is left; the rest is for what else grows
_TIE = 1.05
_SMALLEST_TILE = 16

TileSize: TypeAlias = int | Literal["auto"] | None


class Window(NamedTuple):
    """Pixels ``first`` … ``last`` to compute from, of which ``start`` … ``stop`` are kept; half-open."""

    first: int
    last: int
    start: int
    stop: int


class Tile(NamedTuple):
    """A piece of one of several pictures, which is named by its number."""

    picture: int
    rows: Window
    columns: Window


class Tiles:
    """The tiles of pictures that are still to be computed, from the top, row of tiles by row of tiles.

    Args:
        network: The network, which has a device.
        lr: The pictures, shape (N, 3, h, w).
        tile_size: As for ``upscale``.
        batch_size: How many to compute at once.
    """

    def __init__(self, network: Network, lr: Tensor, tile_size: TileSize, batch_size: int) -> None:
        self.device = next(network.parameters()).device
        self._network, self._batch_size, self._halved = network, batch_size, False
        self._number, (self._height, self._width) = len(lr), lr.shape[-2:]
        longest = max(self._height, self._width)
        if tile_size == "auto":
            self._size = auto_tile_size(network, self._height, self._width, batch_size=batch_size, device=self.device)
            if self._size >= longest:
                self._batch_size = _whole_at_once(network, self._height * self._width, batch_size, self.device)
        else:
            self._size = min(tile_size or longest, longest)
        if self._size < longest and network.leak and self._are_several():
            _warn_of_leak(network, self._height, self._width, tile_size=tile_size, device=self.device)
        self.left = deque(self._batches())

    def halve(self, reason: str) -> None:
        """Go on with smaller tiles, or fewer at once, from the row on that could not be computed.

        Args:
            reason: What was said of the lack of memory.

        Raises:
            MemoryError: If there is none smaller.
        """
        if self.device.type != "cpu":
            torch.accelerator.empty_cache()
        if self._batch_size > 1:
            self._batch_size //= 2
        elif self._size // 2 >= _SMALLEST_TILE:
            self._size //= 2
        else:
            raise MemoryError(
                f"The memory of {self.device} is too small for a tile of"
                f" {self._size + 2 * self._network.receptive_radius} pixels, the smallest one: {reason} Free memory,"
                " or use device=cpu."
            )
        self._halved, self.left = True, deque(self._batches(start=self.left[0][0].rows.start))

    def warn_if_halved(self) -> None:
        """Say how to save the attempts, if there were any; the place that is named is where ``upscale`` was called."""
        if self._halved:
            leak = _leak_in_words(self._network) if self._are_several() else ""
            warnings.warn(
                f"Out of memory on {self.device}: went on with tile_size={self._size} batch_size={self._batch_size}."
                f" Set these to save the attempts.{leak}",
                stacklevel=3,
            )

    def _are_several(self) -> bool:
        """Whether a picture is cut; a tile with its margins may be all of it."""
        return len(self._cut(self._height)) * len(self._cut(self._width)) > 1

    def _batches(self, *, start: int = 0) -> Iterator[Sequence[Tile]]:
        """What is computed at once: tiles of one row, of all pictures; from a row of pixels on."""
        columns = self._cut(self._width)
        for rows in self._cut(self._height, start=start):
            row = [Tile(picture, rows, each) for picture, each in product(range(self._number), columns)]
            yield from (row[begin : begin + self._batch_size] for begin in range(0, len(row), self._batch_size))

    def _cut(self, length: int, *, start: int = 0) -> list[Window]:
        """The windows of a side; of a picture in one piece without the margin, which may have to be measured."""
        if self._size >= max(self._height, self._width):
            return windows(length, self._size, 0, start=start)
        return windows(length, self._size, self._network.receptive_radius, start=start, step=self._network.alignment)


def windows(length: int, size: int, margin: int, *, start: int = 0, step: int = 1) -> list[Window]:
    """Cut a side of a picture into windows of one length, of which the kept parts follow each other.

    A kept part has the margin to each side, but where the picture ends the window does: nothing is padded. The
    windows are as short as their number allows.

    Args:
        length: Of the side, in pixels.
        size: The longest window without its margins.
        margin: Pixels to compute beside a kept part.
        start: Where the kept parts begin.
        step: Windows begin at multiples of this, and end as far from one as the side does: also mirrored, they do.
    """
    low = max(start - margin, 0) // step * step
    inner = max(length - low - 2 * margin, 1)  # what the windows without margins cover
    side = math.ceil(inner / math.ceil(inner / size))
    side = math.ceil(side / step) * step
    number = math.ceil(inner / side)
    extent = min(side + 2 * margin, length - low)
    extent += (length - extent) % step
    firsts = [min(low + index * side, length - extent) for index in range(number)]
    starts = [start, *(low + index * side + margin for index in range(1, number)), length]
    return [Window(first, first + extent, starts[i], starts[i + 1]) for i, first in enumerate(firsts)]


def auto_tile_size(network: Network, height: int, width: int, *, batch_size: int, device: torch.device) -> int:
    """The tile that costs the least work of those that fit into half of the memory that is left; on a tie the smaller.

    Work is what is computed, margins included: a margin of 40 pixels makes tiles of 128, 256 and 512 pixels cost
    2.6, 1.7 and 1.3 times the picture. Of a network that looks at the whole picture it is all of it, if that fits.
    """
    fits = partial(_fits, network, left=available_memory(device))
    sides = _CPU_SIDES if device.type == "cpu" else _ACCELERATOR_SIDES
    longest, num_pixels = max(height, width), height * width
    if longest <= sides[-1] and fits(batch_size, num_pixels):
        return longest  # nothing costs less, and the margin, which may have to be measured, is not needed
    if network.leak and fits(1, num_pixels):
        return longest
    margin, step = network.receptive_radius, network.alignment
    works: dict[int, int] = {}
    for side in sides:
        rows, columns = windows(height, side, margin, step=step), windows(width, side, margin, step=step)
        area = (rows[0].last - rows[0].first) * (columns[0].last - columns[0].first)
        if not works or fits(batch_size, area):
            works[side] = len(rows) * len(columns) * area
    least = min(works.values())
    return min(side for side, work in works.items() if work <= _TIE * least)


def _fits(network: Network, number: int, num_pixels: int, *, left: int | None) -> bool:
    """Whether so many images of so many pixels may be computed at once with that much memory left."""
    return left is None or number * network.num_bytes(num_pixels) <= _SHARE * left


def _whole_at_once(network: Network, num_pixels: int, batch_size: int, device: torch.device) -> int:
    """How many pictures in one piece are computed at once: as many as asked for, if they fit."""
    left = available_memory(device)
    return next((n for n in range(batch_size, 1, -1) if _fits(network, n, num_pixels, left=left)), 1)


def require_tiles(tile_size: TileSize, batch_size: int) -> None:
    """Raise ValueError unless pictures can be computed in tiles of that size and as many at once."""
    number = isinstance(tile_size, int) and not isinstance(tile_size, bool) and tile_size >= 1
    if not (number or tile_size is None or tile_size == "auto"):
        raise ValueError(f"Expected tile_size of 1 or more, auto, or null for the whole picture, got {tile_size!r}.")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"Expected batch_size of 1 or more, got {batch_size!r}.")


def warn_of_small_tiles(network: Network, tile_size: TileSize) -> None:
    """Warn if tiles are smaller than their margins, so that nearly all that is computed is cut off again.

    Not of a network that looks at the whole picture: its tiles have another warning.
    """
    if isinstance(tile_size, int) and tile_size < (margin := network.receptive_radius) and not network.leak:
        warnings.warn(
            f"tile_size={tile_size} is less than the {margin} pixels that the network looks to each side: the result is"
            f" the same, but a large picture takes {(1 + 2 * margin / tile_size) ** 2:.0f} times its own work. From"
            f" tile_size={margin} on it is 9 times or less; tile_size=auto takes the least.",
            stacklevel=3,
        )


def _warn_of_leak(network: Network, height: int, width: int, *, tile_size: TileSize, device: torch.device) -> None:
    """Say that tiles differ from the whole picture, why there are some, by how much, and what helps."""
    if isinstance(tile_size, int):
        why = f"tile_size={tile_size} cuts it."
        cure = "tile_size=auto computes it in one piece where memory allows."
    else:
        why = (
            f"in one piece that takes about {network.num_bytes(height * width) / 1e9:.2g} GB, more than half of what"
            f" {device} has left, so it is computed in tiles."
        )
        cure = "tile_size=null tries it in one piece, after memory was freed or on a machine with more."
    warnings.warn(
        f"This network looks at the whole picture, here {width}x{height} pixels, but {why}{_leak_in_words(network)}"
        f" {cure}",
        stacklevel=4,
    )


def _leak_in_words(network: Network) -> str:
    """By how much tiles differ, as a sentence; empty where they do not."""
    if not network.leak:
        return ""
    levels = f"{255 * network.leak:.1f} of 255 levels"
    return f" Tiles differ from one piece: on noise by up to {levels}, on photos perhaps by more."
