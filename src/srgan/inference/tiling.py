"""Tiles without seams, on a canvas in memory or on disk: only tiles are on the device."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from srgan.inference.precision import MixedPrecision
from srgan.inference.tile_layout import Window, auto_tile_size, windows
from srgan.inference.wrapper import Network
from srgan.system.device import is_out_of_memory

TileSize: TypeAlias = int | Literal["auto"] | None
Canvas: TypeAlias = Callable[[tuple[int, ...]], Tensor]  # makes one of a shape

_SMALLEST_TILE = 16
_LEVELS = {torch.uint8: 255, torch.uint16: 65535}


class _Tile(NamedTuple):
    """A piece of one of the pictures, by its number."""

    picture: int
    rows: Window
    columns: Window


def new_canvas(height: int, width: int, *, dtype: torch.dtype = torch.uint8, file: Path | None = None) -> Tensor:
    """Make room for a picture, in the order in which picture files want it: row by row, pixel by pixel.

    Args:
        height: Rows.
        width: Columns.
        dtype: ``torch.uint8``, ``torch.uint16`` or ``torch.float32``.
        file: Where to map it, for a picture larger than memory; made or overwritten, the caller removes it.

    Returns:
        Shape (1, 3, height, width); a view of (height, width, 3) contiguous values, which begin as zeros.
    """
    shape = (height, width, 3)
    if file is None:
        pixels = torch.zeros(shape, dtype=dtype)
    else:
        file.write_bytes(b"")  # an old file may be longer
        pixels = torch.from_file(str(file), shared=True, size=height * width * 3, dtype=dtype).view(shape)
    return pixels.permute(2, 0, 1).unsqueeze(0)


def upscale(
    network: Network,
    lr: Tensor,
    *,
    tile_size: TileSize = None,
    batch_size: int = 1,
    out: Tensor | Canvas | None = None,
) -> Tensor:
    """Enlarge pictures, tile by tile where they are larger than a tile.

    A tile is computed together with a margin as wide as the network looks (``receptive_radius``), which is then cut
    off, so that the tiled result equals the whole one and shows no seam. Only ``batch_size`` tiles are on the device
    at a time. Where they do not fit into its memory, their number and then their size is halved, with a warning, and
    the work goes on.

    Args:
        network: The generator in evaluation mode, as it is or wrapped.
        lr: Float RGB in [0, 1], shape (N, 3, h, w), on any device.
        tile_size: The longest side of a tile without its margins, in pixels of ``lr``; ``auto`` looks at the memory
            that the device has left; None computes each picture in one piece.
        batch_size: How many tiles to compute at once; they are all of one size.
        out: A canvas to write to, shape (N, 3, scale * h, scale * w), on the CPU: float, or uint8 or uint16, to
            which values are rounded; or a function that makes one of that shape. It is filled from the top, row of
            tiles by row of tiles.

    Returns:
        ``out``, or a new float32 tensor of its shape on the CPU; clamped to [0, 1].

    Raises:
        ValueError: If an argument is none of the above, the generator is in training mode, or its output is not
            finite.
        MemoryError: If the smallest tile does not fit into the device's memory.
    """
    canvas = _checked(network, lr, tile_size, batch_size, out)
    parameter = next(network.parameters())
    device, finite = parameter.device, torch.ones((), dtype=torch.bool, device=parameter.device)
    size = _side(network, lr, tile_size, batch_size=batch_size, device=device)
    left, halved = deque(_batches(network, lr, size, batch_size)), False
    while left:
        try:
            with torch.inference_mode():  # the canvas stays an ordinary tensor, which may be written to
                finite &= _lay(network(_stacked(lr, left[0], parameter)).float(), left[0], canvas, scale=network.scale)
            left.popleft()
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Only here, outside of the handler, the failed attempt's tensors are free.
        if device.type != "cpu":
            torch.accelerator.empty_cache()
        size, batch_size = _halved(size, batch_size, margin=network.receptive_radius, device=device, reason=reason)
        left, halved = deque(_batches(network, lr, size, batch_size, start=left[0][0].rows.start)), True
    if halved:
        warnings.warn(
            f"Out of memory on {device}: went on with tile_size={size} batch_size={batch_size}. Set these to save the"
            " attempts.",
            stacklevel=2,
        )
    mixed = [each for each in network.modules() if isinstance(each, MixedPrecision) and each.finite is not None]
    # Looked at once a picture, since an accelerator waits for each look.
    is_finite, *are_finite = torch.stack([finite, *(each.finite for each in mixed if each.finite is not None)]).tolist()
    if not all(are_finite):
        for each in mixed:
            each.go_on_in_full()
        return upscale(network, lr, tile_size=tile_size, batch_size=batch_size, out=canvas)
    if not is_finite:
        raise ValueError(
            "Expected finite values from the generator, got others. Are its weights or the picture damaged?"
        )
    return canvas


def _side(network: Network, lr: Tensor, tile_size: TileSize, *, batch_size: int, device: torch.device) -> int:
    """The longest side of a tile."""
    height, width = lr.shape[-2:]
    if tile_size == "auto":
        return auto_tile_size(network, height, width, batch_size=batch_size, device=device)
    return min(tile_size or max(height, width), max(height, width))


def _batches(network: Network, lr: Tensor, size: int, batch_size: int, *, start: int = 0) -> Iterator[Sequence[_Tile]]:
    """What is computed at once: tiles of one row of tiles, of all pictures; from a row of pixels on."""
    columns = _cut(network, lr, lr.shape[-1], size)
    for rows in _cut(network, lr, lr.shape[-2], size, start=start):
        tiles = [_Tile(picture, rows, each) for picture, each in product(range(len(lr)), columns)]
        yield from (tiles[begin : begin + batch_size] for begin in range(0, len(tiles), batch_size))


def _cut(network: Network, lr: Tensor, length: int, size: int, *, start: int = 0) -> list[Window]:
    """The windows of a side; of a picture in one piece without a look at the margin, which may have to be measured."""
    if size >= max(lr.shape[-2:]):
        return windows(length, size, 0, start=start)
    return windows(length, size, network.receptive_radius, start=start, step=network.alignment)


def require_tiles(tile_size: TileSize, batch_size: int) -> None:
    """Raise ValueError unless pictures can be computed in tiles of that size and as many at once."""
    number = isinstance(tile_size, int) and not isinstance(tile_size, bool) and tile_size >= 1
    if not (number or tile_size is None or tile_size == "auto"):
        raise ValueError(f"Expected tile_size of 1 or more, auto, or null for the whole picture, got {tile_size!r}.")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"Expected batch_size of 1 or more, got {batch_size!r}.")


def warn_of_small_tiles(network: Network, tile_size: TileSize) -> None:
    """Warn if tiles are smaller than their margins, so that nearly all that is computed is cut off again."""
    if isinstance(tile_size, int) and tile_size < (margin := network.receptive_radius):  # which may be measured
        warnings.warn(
            f"tile_size={tile_size} is less than the {margin} pixels that the network looks to each side: the result is"
            f" the same, but a large picture takes {(1 + 2 * margin / tile_size) ** 2:.0f} times its own work. From"
            f" tile_size={margin} on it is 9 times or less; tile_size=auto takes the least.",
            stacklevel=3,
        )


def _checked(network: Network, lr: Tensor, tile_size: TileSize, batch_size: int, out: Tensor | Canvas | None) -> Tensor:
    """The canvas, after all arguments have been looked at."""
    if network.training:
        raise ValueError("Expected a generator in evaluation mode: call generator.eval() first.")
    require_tiles(tile_size, batch_size)
    if lr.ndim != 4 or lr.shape[1] != 3 or not lr.numel():
        raise ValueError(
            f"Expected lr of shape (N, 3, h, w), got {tuple(lr.shape)}. Convert to RGB and add a batch dimension."
        )
    shape = (*lr.shape[:2], lr.shape[-2] * network.scale, lr.shape[-1] * network.scale)
    if not isinstance(out, Tensor):
        out = torch.empty(shape) if out is None else out(shape)
    if out.shape != shape or not (out.dtype in _LEVELS or out.is_floating_point()) or out.device.type != "cpu":
        raise ValueError(
            f"Expected out of shape {shape}, float, uint8 or uint16, on the CPU, got {tuple(out.shape)}, {out.dtype},"
            f" on {out.device}."
        )
    return out


def _stacked(lr: Tensor, tiles: Sequence[_Tile], parameter: Tensor) -> Tensor:
    """Tiles with their margins, where the network is and in its type."""
    views = [
        lr[each.picture, :, each.rows.first : each.rows.last, each.columns.first : each.columns.last] for each in tiles
    ]
    images = torch.stack(views).to(memory_format=torch.channels_last)
    # To MPS nothing is moved at leisure: torch lets go of the source too early there.
    return images.to(parameter.device, parameter.dtype, non_blocking=parameter.device.type != "mps")


def _lay(sr: Tensor, tiles: Sequence[_Tile], canvas: Tensor, *, scale: int) -> Tensor:
    """Lay what is kept of enlarged tiles on the canvas; whether all was finite, as a scalar on the device."""
    for (picture, rows, columns), tile in zip(tiles, in_levels(sr.clamp(0, 1), canvas.dtype).cpu(), strict=True):
        kept = tile[
            :,
            (rows.start - rows.first) * scale : (rows.stop - rows.first) * scale,
            (columns.start - columns.first) * scale : (columns.stop - columns.first) * scale,
        ]
        canvas[picture, :, rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale] = kept
    return sr.isfinite().all()


def in_levels(sr: Tensor, dtype: torch.dtype) -> Tensor:
    """Floats in [0, 1] as a canvas of that type holds them: as they are, or rounded to levels of uint8 or uint16."""
    return (sr * _LEVELS[dtype]).round().to(dtype) if dtype in _LEVELS else sr.to(dtype)


def _halved(size: int, batch_size: int, *, margin: int, device: torch.device, reason: str) -> tuple[int, int]:
    """The next smaller tile, or fewer at once."""
    if batch_size > 1:
        batch_size //= 2
    elif size // 2 >= _SMALLEST_TILE:
        size //= 2
    else:
        raise MemoryError(
            f"The memory of {device} is too small for a tile of {size + 2 * margin} pixels, the smallest one:"
            f" {reason} Free memory, or use device=cpu."
        )
    return size, batch_size
