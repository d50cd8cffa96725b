"""Scores generators and bicubic on whole pictures, with a sheet that shows the results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from srgan.evaluation.scorecard import Distance, ScoreCard, Scores
from srgan.inference import upscale as super_resolve
from srgan.networks import AnyGenerator
from srgan.pictures.resize import upscale
from srgan.pictures.sheet import Panel, comparison_sheet, most_detailed_window

BICUBIC = "bicubic"
_TILE_SIZE = 256
_WINDOW_SIZE = 160
_NUM_ROWS = 4
_ZOOM = 2  # each pixel doubled, so that differences can be seen without a magnifying glass


@dataclass(frozen=True)
class Evaluation:
    """Scores by method and picture, and images to look at, float RGB in [0, 1] of shape (1, 3, H, W).

    ``convention`` says how each score was measured and what the LR pictures are. ``comparison`` shows all methods next
    to the original, with captions; ``detail`` has the same windows by the last method alone, and ``original_detail``
    those of the original, to be compared with the details of other runs.
    """

    scores: Scores
    convention: dict[str, Any]
    comparison: Tensor
    detail: Tensor
    original_detail: Tensor


@torch.no_grad()
def evaluate(
    generators: Mapping[str, AnyGenerator],
    batches: Iterable[Mapping[str, Any]],
    *,
    distances: Mapping[str, Distance] | None = None,
) -> Evaluation:
    """Score bicubic and some generators on whole pictures.

    Args:
        generators: The generators by name, in evaluation mode.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.
        distances: What to measure besides PSNR and SSIM, by name of the score.

    Returns:
        The scores and the images to look at.

    Raises:
        ValueError: If there is no batch.
    """
    card = ScoreCard(distances)
    rows: list[list[Panel]] = []
    for batch in batches:
        lr, hr, name = batch["lr"], batch["hr"], batch["name"][0]
        scale = hr.shape[-1] // lr.shape[-1]
        results = {BICUBIC: upscale(lr, scale).clamp(0, 1)}
        for method, network in generators.items():
            results[method] = super_resolve(network, lr, tile_size=_TILE_SIZE)
        measured = card.add(name, results, lr=lr, hr=hr)
        if len(rows) < _NUM_ROWS:
            rows.append(_row(results, hr, {method: measured[method]["psnr_y"] for method in results}, scale=scale))
    if not rows:
        raise ValueError("Expected at least one picture to score, got none.")
    *_, last, original = zip(*rows, strict=True)
    return Evaluation(card.scores, card.convention, comparison_sheet(rows), _beside(last), _beside(original))


def _row(results: Mapping[str, Tensor], hr: Tensor, psnr: Mapping[str, float], *, scale: int) -> list[Panel]:
    top, left = most_detailed_window(hr, _WINDOW_SIZE, step=scale)
    window = (..., slice(top, top + _WINDOW_SIZE), slice(left, left + _WINDOW_SIZE))
    panels = [
        Panel(f"{method} {psnr[method]:.2f} dB", functional.interpolate(result[window], scale_factor=_ZOOM))
        for method, result in results.items()
    ]
    return [*panels, Panel("original", functional.interpolate(hr[window], scale_factor=_ZOOM))]


def _beside(panels: Sequence[Panel]) -> Tensor:
    """Images of any size in a row, without captions."""
    height = max(panel.image.shape[-2] for panel in panels)
    padded = [functional.pad(panel.image, (0, 0, 0, height - panel.image.shape[-2])) for panel in panels]
    return torch.cat(padded, dim=-1)
