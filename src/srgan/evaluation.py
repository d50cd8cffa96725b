"""The closing test of a run: scores per picture against bicubic, as a table and JSON, and a picture that shows it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.comparison import Panel, comparison_sheet, most_detailed_window
from srgan.inference import upscale as super_resolve
from srgan.metrics import score
from srgan.networks import Generator
from srgan.resize import upscale

BICUBIC = "bicubic"
CONVENTION = {
    "psnr_y": "dB, Y of studio-range BT.601",
    "ssim_y": "Wang et al. 2004, Y of studio-range BT.601",
    "psnr_rgb": "dB, RGB",
    "ssim_rgb": "Wang et al. 2004, mean of R, G and B",
    "rounding": "8 bit",
    "crop_border": "scale",
    "lr": "MATLAB-convention bicubic unless the data brings its own",
    "mean": "over pictures of the per-picture score",
}
_TILE_SIZE = 256
_WINDOW_SIZE = 160
_NUM_ROWS = 4

Scores = dict[str, dict[str, dict[str, float]]]  # by method, then by picture (and "mean"), then by score


Distance = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Scores by method and picture, and pictures to look at, float RGB in [0, 1] of shape (1, 3, H, W).

    ``comparison`` sets all methods beside the original with captions; ``detail`` has the same windows by the last
    method alone, and ``original_detail`` those of the original, to be set beside the details of other runs.
    """

    scores: Scores
    comparison: Tensor
    detail: Tensor
    original_detail: Tensor


@torch.no_grad()
def evaluate(
    generators: Mapping[str, Generator], batches: Iterable[Mapping[str, Any]], *, distance: Distance | None = None
) -> Evaluation:
    """Score bicubic and some generators on whole pictures.

    Args:
        generators: The generators by name, in evaluation mode.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.
        distance: Distance of two pictures, lower is closer, logged as ``feature_distance``; None for none.

    Returns:
        The scores and the pictures.

    Raises:
        ValueError: If there is no batch.
    """
    scores: Scores = {method: {} for method in (BICUBIC, *generators)}
    rows: list[list[Panel]] = []
    for batch in batches:
        lr, hr, name = batch["lr"], batch["hr"], batch["name"][0]
        scale = hr.shape[-1] // lr.shape[-1]
        results = {BICUBIC: upscale(lr, scale).clamp(0, 1)}
        for method, generator in generators.items():
            results[method] = super_resolve(generator, lr, tile_size=_TILE_SIZE)
        for method, result in results.items():
            scores[method][name] = score(result, hr, crop_border=scale)
            if distance is not None:
                scores[method][name]["feature_distance"] = _distance(distance, result, hr)
        if len(rows) < _NUM_ROWS:
            psnr = {method: scores[method][name]["psnr_y"] for method in results}
            rows.append(_row(results, hr, psnr, scale=scale))
    if not rows:
        raise ValueError("Expected at least one picture to score, got none.")
    for by_picture in scores.values():
        by_picture["mean"] = _mean(list(by_picture.values()))
    *_, last, original = zip(*rows, strict=True)
    return Evaluation(scores, comparison_sheet(rows), _beside(last), _beside(original))


def score_table(scores: Scores) -> str:
    """The scores as a table for the console: a line per picture, and the means on Y, on RGB and in features."""
    methods = list(scores)
    pictures = list(scores[methods[0]])
    label_width, width = max(map(len, [*pictures, "picture"])), max(14, *map(len, methods))
    means = [scores[method]["mean"] for method in methods]

    def line(label: str, cells: Iterable[str]) -> str:
        return "  ".join([f"{label:<{label_width}}", *(f"{cell:>{width}}" for cell in cells)])

    lines = [
        "PSNR (dB) / SSIM on Y of BT.601, 8 bit, borders of `scale` pixels cropped off",
        line("picture", methods),
        *(line(picture, (_psnr_ssim(scores[method][picture], "y") for method in methods)) for picture in pictures),
        line("on RGB", (_psnr_ssim(mean, "rgb") for mean in means)),
    ]
    if all("feature_distance" in mean for mean in means):
        lines.append(line("features", (f"{mean['feature_distance']:.5f}" for mean in means)))
    return "\n".join(lines)


def _psnr_ssim(scores: Mapping[str, float], channels: str) -> str:
    return f"{scores[f'psnr_{channels}']:.2f} {scores[f'ssim_{channels}']:.4f}"


def _mean(per_picture: list[dict[str, float]]) -> dict[str, float]:
    return {name: math.fsum(scores[name] for scores in per_picture) / len(per_picture) for name in per_picture[0]}


def _row(results: Mapping[str, Tensor], hr: Tensor, psnr: Mapping[str, float], *, scale: int) -> list[Panel]:
    top, left = most_detailed_window(hr, _WINDOW_SIZE, step=scale)
    window = (..., slice(top, top + _WINDOW_SIZE), slice(left, left + _WINDOW_SIZE))
    panels = [Panel(f"{method} {psnr[method]:.2f} dB", _enlarged(result[window])) for method, result in results.items()]
    return [*panels, Panel("original", _enlarged(hr[window]))]


def _distance(distance: Distance, result: Tensor, hr: Tensor) -> float:
    device = next(iter(distance.buffers())).device if isinstance(distance, nn.Module) else hr.device
    return float(distance(result.to(device), hr.to(device)))


def _beside(panels: Sequence[Panel]) -> Tensor:
    """Pictures of any sizes in a row, without captions."""
    height = max(panel.image.shape[-2] for panel in panels)
    padded = [functional.pad(panel.image, (0, 0, 0, height - panel.image.shape[-2])) for panel in panels]
    return torch.cat(padded, dim=-1)


def _enlarged(image: Tensor) -> Tensor:
    # Twice as large, pixel by pixel, so that the difference is seen without a magnifying glass.
    return image.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
