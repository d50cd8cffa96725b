"""Tiles without seams, on a canvas in memory or on disk: only tiles are on the device."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from srgan.inference.precision import MixedPrecision
from srgan.inference.tile_layout import Tile, Tiles, TileSize, require_tiles
from srgan.inference.wrapper import Network
from srgan.system.device import is_out_of_memory

Canvas: TypeAlias = Callable[[tuple[int, ...]], Tensor]  # makes one of a shape

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
    network: Network, lr: Tensor, *, tile_size: TileSize = None, batch_size: int = 1, out: Tensor | Canvas | None = None
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
    tiles = Tiles(network, lr, tile_size, batch_size)
    finite = torch.ones((), dtype=torch.bool, device=tiles.device)
    while tiles.left:
        try:
            with torch.inference_mode():  # the canvas stays an ordinary tensor, which may be written to
                # No name for what is enlarged: it would hold memory while the next tiles are computed.
                finite &= _lay(network(_stacked(lr, tiles.left[0], network)).float(), tiles.left[0], canvas)
            tiles.left.popleft()
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        tiles.halve(reason)  # only here, outside of the handler, the failed attempt's tensors are free
    tiles.warn_if_halved()
    if not _are_finite(network, finite):  # in full precision, they may be
        return upscale(network, lr, tile_size=tile_size, batch_size=batch_size, out=canvas)
    return canvas


def _are_finite(network: Network, finite: Tensor) -> bool:
    """Whether a result can be used; False if it is to be computed once more, from here on in full precision."""
    mixed = [each for each in network.modules() if isinstance(each, MixedPrecision) and each.dtype is not None]
    # Looked at once a picture, since an accelerator waits for each look.
    flags = torch.stack([finite, *(each.finite for each in mixed if each.finite is not None)])
    is_finite, *are_finite = flags.cpu().tolist()
    if not all(are_finite):
        for each in mixed:
            each.go_on_in_full()
        return False
    if not is_finite:
        raise ValueError(
            "Expected finite values from the generator, got others. Are its weights or the picture damaged?"
        )
    return True


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


def _stacked(lr: Tensor, tiles: Sequence[Tile], network: Network) -> Tensor:
    """Tiles with their margins, where the network is and in its type."""
    parameter = next(network.parameters())
    views = [
        lr[each.picture, :, each.rows.first : each.rows.last, each.columns.first : each.columns.last] for each in tiles
    ]
    images = torch.stack(views).to(memory_format=torch.channels_last)
    # To MPS nothing is moved at leisure: torch lets go of the source too early there.
    return images.to(parameter.device, parameter.dtype, non_blocking=parameter.device.type != "mps")


def _lay(sr: Tensor, tiles: Sequence[Tile], canvas: Tensor) -> Tensor:
    """Lay what is kept of enlarged tiles on the canvas; whether all was finite, as a scalar on the device."""
    finite = sr.isfinite().all()
    scale = sr.shape[-1] // (tiles[0].columns.last - tiles[0].columns.first)
    for (picture, rows, columns), tile in zip(tiles, in_levels(sr.clamp(0, 1), canvas.dtype).cpu(), strict=True):
        kept = tile[
            :,
            (rows.start - rows.first) * scale : (rows.stop - rows.first) * scale,
            (columns.start - columns.first) * scale : (columns.stop - columns.first) * scale,
        ]
        below, beside = (slice(each.start * scale, each.stop * scale) for each in (rows, columns))
        canvas[picture, :, below, beside] = kept
    return finite


def in_levels(sr: Tensor, dtype: torch.dtype) -> Tensor:
    """Floats in [0, 1] as a canvas of that type holds them: as they are, or rounded to levels of uint8 or uint16."""
    return (sr * _LEVELS[dtype]).round().to(dtype) if dtype in _LEVELS else sr.to(dtype)
