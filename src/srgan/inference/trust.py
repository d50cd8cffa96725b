"""A map of where detail is invented, with a legend: what two cheap questions tell about an error that nobody can see.

Does the result, shrunk, give the input back (`agreement`)? And do the eight flips and turns of the input give one
result (`Spread`)? Both in levels of 255, added as independent errors are. On the sample photos that orders pixels by
their true error with a rank correlation of 0.83 (spread alone 0.82, agreement 0.73, the input's local contrast 0.54).
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from srgan.inference.fidelity import views
from srgan.inference.tile_layout import TileSize, windows
from srgan.inference.tiling import upscale
from srgan.inference.wrapper import Network, Wrapper
from srgan.pictures.resize import downscale

# Doubt in levels of 255, its colour, and how far the shipped srgan was off where it doubted so (mean over the sample
# photos, in levels): white, yellow, orange, red, purple, black.
_STOPS = (
    (0.0, (255, 255, 255), 1),
    (0.5, (255, 240, 170), 3),
    (1.0, (254, 196, 79), 5),
    (2.0, (236, 112, 20), 8),
    (4.0, (180, 30, 60), 15),
    (8.0, (60, 0, 70), 25),
)
_TITLE = "How far to trust each place: pale was in your picture, dark is invented"
_UNIT = "levels of 255 off the true picture, on average over sample photos"
_LEGEND_SIZE = (560, 92)
_LARGEST = 16_000_000  # pixels of a map; larger results are mapped in smaller cells
_BAND = 256  # rows of the input that agreement is computed for at a time
_REACH = 2  # input pixels that bicubic shrinking looks to each side


class Spread(Wrapper):
    """Standard deviation over the eight views, root mean square over the output pixels of each input pixel."""

    @property
    def scale(self) -> int:
        """1: a value for each input pixel."""
        return 1

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to the same shape, in [0, 1]."""
        results = (sr.clamp(0, 1) for sr in views(self.network, lr))
        mean = next(results)
        squares = torch.zeros_like(mean)
        for number, sr in enumerate(results, start=2):  # Welford 1962: two tensors instead of eight
            change = sr - mean
            mean = mean + change / number
            squares = squares + change * (sr - mean)
        return functional.avg_pool2d(squares / 8, self.network.scale).sqrt()


def trust_map(network: Network, lr: Tensor, sr: Tensor, *, tile_size: TileSize = None, batch_size: int = 1) -> Tensor:
    """Draw where a result invents detail.

    Args:
        network: What enlarged ``lr``, without self-ensemble and consistency; runs eight times.
        lr: The input, float RGB in [0, 1], shape (1, 3, h, w).
        sr: The result, shape (1, 3, scale * h, scale * w), on the CPU: float in [0, 1], uint8 or uint16.
        tile_size: As for ``upscale``.
        batch_size: As for ``upscale``.

    Returns:
        Float RGB in [0, 1], shape (1, 3, H, W): a square of pixels for each pixel of ``lr``, as large as ``sr`` unless
        that has more than 16 million pixels, and below it the legend.
    """
    doubt = doubts(network, lr, sr, tile_size=tile_size, batch_size=batch_size)
    cell = network.scale
    while cell > 1 and doubt.numel() * cell**2 > _LARGEST:
        cell -= 1
    colours = _coloured(doubt).repeat_interleave(cell, dim=-2).repeat_interleave(cell, dim=-1)
    legend = _legend()
    width = max(colours.shape[-1], legend.shape[-1])
    parts = [functional.pad(part, (0, width - part.shape[-1]), value=1.0) for part in (colours, legend)]
    return torch.cat(parts, dim=-2)


def undrawn(drawn: Tensor, size: Sequence[int]) -> Tensor:
    """A drawn map without its legend, as numbers again.

    Args:
        drawn: What ``trust_map`` returned, shape (1, 3, H, W).
        size: Height and width of the input that it is of.

    Returns:
        0 where nothing is invented to 1 where most is, shape (1, 1, h', w').
    """
    cell = (drawn.shape[-2] - _LEGEND_SIZE[1]) // size[0]
    return 1 - drawn[..., : cell * size[0], : cell * size[1]].mean(1, keepdim=True)  # the stops darken steadily


def doubts(network: Network, lr: Tensor, sr: Tensor, *, tile_size: TileSize = None, batch_size: int = 1) -> Tensor:
    """What the map shows, as numbers: root of the sum of the squares of both, in levels of 255, shape (1, 1, h, w)."""
    spread = upscale(Spread(network), lr, tile_size=tile_size, batch_size=batch_size)
    return 255 * (spread.square().mean(1, keepdim=True) + agreement(lr, sr).square()).sqrt()


def agreement(lr: Tensor, sr: Tensor) -> Tensor:
    """Mean over the channels of ``|downscale(sr) - lr|``, shape (N, 1, h, w); band by band, ``sr`` may be on disk."""
    scale = sr.shape[-1] // lr.shape[-1]
    levels = 1 if sr.is_floating_point() else torch.iinfo(sr.dtype).max
    bands = []
    for rows in windows(lr.shape[-2], _BAND, _REACH):
        shrunk = downscale(sr[..., rows.first * scale : rows.last * scale, :].float() / levels, scale)
        kept = shrunk[..., rows.start - rows.first : rows.stop - rows.first, :]
        bands.append((kept - lr[..., rows.start : rows.stop, :].cpu()).abs().mean(1, keepdim=True))
    return torch.cat(bands, dim=-2)


def _coloured(doubt: Tensor) -> Tensor:
    """Colours between those of the stops, shape (N, 3, h, w)."""
    stops = np.array([stop for stop, _, _ in _STOPS])
    channels = np.array([colour for _, colour, _ in _STOPS]).T / 255
    values = doubt.squeeze(1).numpy()
    return torch.stack([torch.from_numpy(np.interp(values, stops, channel)).float() for channel in channels], dim=1)


def _legend() -> Tensor:
    """The colours in a bar with what they mean, shape (1, 3, H, W)."""
    legend = Image.new("RGB", _LEGEND_SIZE, "white")
    draw, font = ImageDraw.Draw(legend), ImageFont.load_default(14)
    left, right, top, bottom = 14, _LEGEND_SIZE[0] - 14, 30, 48
    position = torch.linspace(0, len(_STOPS) - 1, right - left)
    doubt = torch.from_numpy(np.interp(position.numpy(), range(len(_STOPS)), [stop for stop, _, _ in _STOPS]))
    bar = (_coloured(doubt.view(1, 1, 1, -1))[0, :, 0] * 255).round().to(torch.uint8).T.numpy()  # (width, 3)
    legend.paste(Image.fromarray(np.repeat(bar[None], bottom - top, axis=0)), (left, top))
    draw.rectangle((left - 1, top - 1, right, bottom), outline="gray")
    draw.text((left, 6), _TITLE, fill="black", font=font)
    for index, (_, _, off) in enumerate(_STOPS):
        x = left + index * (right - left - 1) / (len(_STOPS) - 1)
        anchor = "la" if index == 0 else "ra" if index == len(_STOPS) - 1 else "ma"
        draw.text((x, bottom + 3), f"{off}" if index else f"about {off}", fill="black", font=font, anchor=anchor)
    draw.text((left, bottom + 21), _UNIT, fill="black", font=font)
    return torch.from_numpy(np.array(legend)).permute(2, 0, 1).unsqueeze(0) / 255
