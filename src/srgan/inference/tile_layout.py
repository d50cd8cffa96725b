"""How a side of a picture is cut into pieces of equal length, and how large the pieces may be."""

import math
from typing import NamedTuple

import torch

from srgan.inference.wrapper import Network
from srgan.system.device import available_memory

# Sides that are tried for tile_size=auto. On a CPU larger ones save less work than its caches lose; see docs.
_CPU_SIDES = (32, 48, 64, 96, 128, 192, 256)
_ACCELERATOR_SIDES = (*_CPU_SIDES, 384, 512, 768, 1024)
_SHARE = 0.5  # of the memory that is left; the rest is for what else grows
_TIE = 1.05


class Window(NamedTuple):
    """Pixels ``first`` … ``last`` to compute from, of which ``start`` … ``stop`` are kept; half-open."""

    first: int
    last: int
    start: int
    stop: int


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
    2.6, 1.7 and 1.3 times the picture.
    """
    left = available_memory(device)
    sides = _CPU_SIDES if device.type == "cpu" else _ACCELERATOR_SIDES
    fits = left is None or batch_size * height * width * network.bytes_per_pixel <= _SHARE * left
    if max(height, width) <= sides[-1] and fits:
        return max(height, width)  # nothing costs less, and the margin, which may have to be measured, is not needed
    margin, step = network.receptive_radius, network.alignment
    works: dict[int, int] = {}
    for side in sides:
        rows, columns = windows(height, side, margin, step=step), windows(width, side, margin, step=step)
        area = (rows[0].last - rows[0].first) * (columns[0].last - columns[0].first)
        if not works or left is None or batch_size * area * network.bytes_per_pixel <= _SHARE * left:
            works[side] = len(rows) * len(columns) * area
    least = min(works.values())
    return min(side for side, work in works.items() if work <= _TIE * least)
