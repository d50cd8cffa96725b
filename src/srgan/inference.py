"""Enlarging pictures with a trained generator: pure tensor functions, whole or in tiles without seams."""

import torch
from torch import Tensor

from srgan.networks import Generator
from srgan.networks.folding import fold_batchnorm


def for_inference(generator: Generator) -> Generator:
    """The same function, faster: without BatchNorm layers, and with its channels innermost in memory.

    Args:
        generator: A network in evaluation mode.

    Returns:
        A generator whose outputs are the same but for rounding. It may share its weights with ``generator``.
    """
    return fold_batchnorm(generator).to(memory_format=torch.channels_last)


@torch.inference_mode()
def upscale(generator: Generator, lr: Tensor, *, tile_size: int | None = None) -> Tensor:
    """Enlarge pictures, tile by tile where they are larger than a tile.

    A tile is computed together with a margin as wide as the network looks (``receptive_radius``), which is then cut
    off, so that the tiled result equals the whole one and shows no seam. Only one tile is on the device at a time.

    Args:
        generator: The network in evaluation mode.
        lr: Float RGB in [0, 1], shape (N, 3, h, w), on any device.
        tile_size: Side of a tile's visible part in pixels of ``lr``; None computes the picture in one piece.

    Returns:
        Shape (N, 3, scale * h, scale * w), clamped to [0, 1], on the CPU.

    Raises:
        ValueError: If ``tile_size`` is below 1 or the generator is in training mode.
    """
    if generator.training:
        raise ValueError("Expected a generator in evaluation mode: call generator.eval() first.")
    if tile_size is not None and (not isinstance(tile_size, int) or tile_size < 1):
        raise ValueError(f"Expected tile_size of 1 or more, or null for the whole picture, got {tile_size!r}.")
    height, width = lr.shape[-2:]
    if tile_size is None or max(height, width) <= tile_size:
        return _forward(generator, lr)
    sr = torch.empty(*lr.shape[:2], height * generator.scale, width * generator.scale)
    for top in range(0, height, tile_size):
        for left in range(0, width, tile_size):
            _paste_tile(generator, lr, sr, rows=(top, top + tile_size), columns=(left, left + tile_size))
    return sr


def choose_device(device: str) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU where there is one.

    Raises:
        ValueError: If the device does not exist here.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"Expected device=auto, cpu, or a device of this machine, got {device!r} ({error})."
        ) from error
    return chosen


def _paste_tile(
    generator: Generator, lr: Tensor, sr: Tensor, *, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Compute one tile of ``sr`` with its margin; a margin ends where the picture ends, as it does for the whole."""
    scale, margin = generator.scale, generator.receptive_radius
    spans = []
    for (start, stop), length in zip((rows, columns), lr.shape[-2:], strict=True):
        stop = min(stop, length)
        outer = (max(start - margin, 0), min(stop + margin, length))
        spans.append(
            (
                slice(*outer),
                slice(start * scale, stop * scale),
                slice((start - outer[0]) * scale, (stop - outer[0]) * scale),
            )
        )
    (outer_rows, rows_out, inner_rows), (outer_columns, columns_out, inner_columns) = spans
    tile = _forward(generator, lr[..., outer_rows, outer_columns])
    sr[..., rows_out, columns_out] = tile[..., inner_rows, inner_columns]


def _forward(generator: Generator, lr: Tensor) -> Tensor:
    parameter = next(generator.parameters())
    sr: Tensor = generator(lr.to(parameter.device, parameter.dtype, memory_format=torch.channels_last))
    return sr.float().clamp(0, 1).cpu()
