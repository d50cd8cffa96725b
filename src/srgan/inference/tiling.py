"""Tiles without seams, on a canvas in memory or on disk: only tiles are on the device."""

import warnings
from collections import deque
from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from srgan.inference.precision import MixedPrecision
from srgan.inference.tile_layout import Window, auto_tile_size, windows
from srgan.inference.wrapper import Network
from srgan.system.device import is_out_of_memory

TileSize: TypeAlias = int | Literal["auto"] | None

_SMALLEST_TILE = 16
_LEVELS = {torch.uint8: 255, torch.uint16: 65535}


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
    out: Tensor | None = None,
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
            which values are rounded. It is filled from the top, row of tiles by row of tiles.

    Returns:
        ``out``, or a new float32 tensor of its shape on the CPU; clamped to [0, 1].

    Raises:
        ValueError: If an argument is none of the above, the generator is in training mode, or its output is not
            finite.
        MemoryError: If the smallest tile does not fit into the device's memory.
    """
    canvas = _checked(network, lr, tile_size, batch_size, out)
    mixed = [each for each in network.modules() if isinstance(each, MixedPrecision) and each.dtype is not None]
    # Looked at once a picture, since an accelerator waits for each look.
    finite = _fill(network, lr, canvas, tile_size, batch_size)
    is_finite, *are_finite = (
        torch.stack([finite, *(each.finite for each in mixed if each.finite is not None)]).cpu().tolist()
    )
    if not all(are_finite):
        for each in mixed:
            each.go_on_in_full()
        is_finite = bool(_fill(network, lr, canvas, tile_size, batch_size))
    if not is_finite:
        raise ValueError(
            "Expected finite values from the generator, got others. Are its weights or the picture damaged?"
        )
    return canvas


def _fill(network: Network, lr: Tensor, canvas: Tensor, tile_size: TileSize, batch_size: int) -> Tensor:
    """Compute all tiles; whether all values were numbers, as a scalar on the device."""
    height, width = lr.shape[-2:]
    device = next(network.parameters()).device
    finite = torch.ones((), dtype=torch.bool, device=device)
    if tile_size == "auto":
        size = auto_tile_size(network, height, width, batch_size=batch_size, device=device)
    else:
        size = min(tile_size or max(height, width), max(height, width))
    rows, halved = deque(_cut(network, lr, height, size)), False
    while rows:
        try:
            with torch.inference_mode():  # the canvas stays an ordinary tensor, which may be written to
                finite &= _fill_row(network, lr, canvas, rows[0], _cut(network, lr, width, size), batch_size)
            rows.popleft()
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Only here, outside of the handler, the failed attempt's tensors are free.
        if device.type != "cpu":
            torch.accelerator.empty_cache()
        size, batch_size = _halved(size, batch_size, margin=network.receptive_radius, device=device, reason=reason)
        rows, halved = deque(_cut(network, lr, height, size, start=rows[0].start)), True
    if halved:
        warnings.warn(
            f"Out of memory on {device}: went on with tile_size={size} batch_size={batch_size}. Set these to save the"
            " attempts.",
            stacklevel=3,
        )
    return finite


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


def _checked(network: Network, lr: Tensor, tile_size: TileSize, batch_size: int, out: Tensor | None) -> Tensor:
    """The canvas, after all arguments have been looked at."""
    if network.training:
        raise ValueError("Expected a generator in evaluation mode: call generator.eval() first.")
    require_tiles(tile_size, batch_size)
    if lr.ndim != 4 or lr.shape[1] != 3 or not lr.numel():
        raise ValueError(
            f"Expected lr of shape (N, 3, h, w), got {tuple(lr.shape)}. Convert to RGB and add a batch dimension."
        )
    shape = (*lr.shape[:2], lr.shape[-2] * network.scale, lr.shape[-1] * network.scale)
    if out is None:
        return torch.empty(shape)
    if out.shape != shape or not (out.dtype in _LEVELS or out.is_floating_point()) or out.device.type != "cpu":
        raise ValueError(
            f"Expected out of shape {shape}, float, uint8 or uint16, on the CPU, got {tuple(out.shape)}, {out.dtype},"
            f" on {out.device}."
        )
    return out


def _fill_row(
    network: Network, lr: Tensor, canvas: Tensor, rows: Window, columns: list[Window], batch_size: int
) -> Tensor:
    """Compute the tiles of one row, of all pictures, and lay their kept parts on the canvas; returns as ``_fill``."""
    scale, parameter = network.scale, next(network.parameters())
    finite = torch.ones((), dtype=torch.bool, device=parameter.device)
    tiles = list(product(range(len(lr)), columns))
    for begin in range(0, len(tiles), batch_size):
        batch = tiles[begin : begin + batch_size]
        views = [lr[i, :, rows.first : rows.last, column.first : column.last] for i, column in batch]
        images = torch.stack(views).to(memory_format=torch.channels_last)
        # To MPS nothing is moved at leisure: torch lets go of the source too early there.
        sr = network(images.to(parameter.device, parameter.dtype, non_blocking=parameter.device.type != "mps")).float()
        finite &= sr.isfinite().all()
        for (i, column), tile in zip(batch, in_levels(sr.clamp(0, 1), canvas.dtype).cpu(), strict=True):
            kept = tile[
                :,
                (rows.start - rows.first) * scale : (rows.stop - rows.first) * scale,
                (column.start - column.first) * scale : (column.stop - column.first) * scale,
            ]
            canvas[i, :, rows.start * scale : rows.stop * scale, column.start * scale : column.stop * scale] = kept
    return finite


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
