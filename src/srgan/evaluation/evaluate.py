"""Scores of generators and bicubic on whole pictures: per picture, as a table, with a sheet that shows the results."""

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from srgan.evaluation.metrics import CONVENTIONS, card_stamp, psnr, quantise, score_card
from srgan.inference import upscale as super_resolve
from srgan.networks import AnyGenerator
from srgan.pictures.resize import downscale, upscale
from srgan.pictures.sheet import Panel, comparison_sheet, most_detailed_window

BICUBIC = "bicubic"
_MATLAB = "MATLAB-convention bicubic (a = -0.5, antialiased)"
_SAME_LR = 54.0  # dB: half a level of 255; Pillow's bicubic reaches 52, others far less
_TILE_SIZE = 256
_WINDOW_SIZE = 160
_NUM_ROWS = 4
_TABLE_WIDTH = 120

Scores = dict[str, dict[str, dict[str, float]]]  # by method, then by picture (and "mean"), then by score


class Distance(Protocol):
    """A distance of two images, lower is closer, that processes the original once for all methods."""

    def prepare(self, hr: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to one original as a function, scalar, of float RGB in [0, 1] of shape (1, 3, H, W)."""


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


class ScoreCard:
    """Collects scores of some methods, picture by picture, and how each score was measured.

    Args:
        distances: What to measure besides PSNR and SSIM, by name of the score.
    """

    def __init__(self, distances: Mapping[str, Distance] | None = None) -> None:
        self._distances = distances or {}
        self._by_method: Scores = {}
        self._are_matlab: list[bool] = []
        self._scale = 1

    @torch.no_grad()
    def add(self, name: str, results: Mapping[str, Tensor], *, lr: Tensor, hr: Tensor) -> dict[str, dict[str, float]]:
        """Score the results of all methods on one picture.

        Args:
            name: Of the picture.
            results: Float RGB in [0, 1], shape (1, 3, H, W), by method.
            lr: The image they were enlarged from, shape (1, 3, H / scale, W / scale).
            hr: The original, same shape as the results.

        Returns:
            The scores by method.

        Raises:
            ValueError: If shapes differ, or the picture is too small to score; then nothing is added.
        """
        self._scale = hr.shape[-1] // lr.shape[-1]
        measured = _measured(results, hr, scale=self._scale, distances=self._distances)
        self._are_matlab.append(psnr(quantise(downscale(hr, self._scale)), quantise(lr)) > _SAME_LR)
        for method, scores in measured.items():
            self._by_method.setdefault(method, {})[name] = scores
        return measured

    @property
    def scores(self) -> Scores:
        """By method, then by picture (and ``mean``), then by score; empty before the first picture."""
        return {
            method: {**by_picture, "mean": _mean(list(by_picture.values()))}
            for method, by_picture in self._by_method.items()
        }

    @property
    def convention(self) -> dict[str, Any]:
        """How each score was measured, and what the LR pictures are."""
        mean = "over pictures of the per-picture score"
        return {**card_stamp(self._scale), "lr": _lr_stamp(self._are_matlab), "mean": mean}


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
        for method, generator in generators.items():
            results[method] = super_resolve(generator, lr, tile_size=_TILE_SIZE)
        measured = card.add(name, results, lr=lr, hr=hr)
        if len(rows) < _NUM_ROWS:
            rows.append(_row(results, hr, {method: measured[method]["psnr_y"] for method in results}, scale=scale))
    if not rows:
        raise ValueError("Expected at least one picture to score, got none.")
    *_, last, original = zip(*rows, strict=True)
    return Evaluation(card.scores, card.convention, comparison_sheet(rows), _beside(last), _beside(original))


def score_table(scores: Scores, convention: Mapping[str, Any]) -> str:
    """The scores for the console: a line per picture on Y, and a card of the means in all conventions.

    Args:
        scores: As ``evaluate`` returns them.
        convention: How each score was measured, as ``evaluate`` returns it, including ``lpips`` and
            ``feature_distance``.

    Returns:
        Lines of at most 120 columns for three methods with short names.
    """
    title = "PSNR (dB) / SSIM on Y of BT.601, 8 bit, borders of {} pixels cropped off"
    pictures = [
        (picture, [_psnr_ssim(by_picture[picture], "y") for by_picture in scores.values()])
        for picture in scores[BICUBIC]
    ]
    table = _lines([("picture", list(scores)), *pictures])
    return "\n".join([title.format(convention["psnr_y"]["crop_border"]), *table, "", *_card(scores, convention)])


def _card(scores: Scores, convention: Mapping[str, Any]) -> list[str]:
    """The means: a line for each convention, who publishes in it, and notes that comparing requires."""
    means = [by_picture["mean"] for by_picture in scores.values()]
    rows, remarks = [(f"mean of {len(scores[BICUBIC]) - 1}", list(scores))], ["published so by"]
    for each in CONVENTIONS:
        crop_border = convention[f"psnr_{each.suffix}"]["crop_border"]
        rows.append((f"{each.channel.upper()}, crop {crop_border}", [_psnr_ssim(mean, each.suffix) for mean in means]))
        remarks.append(each.published_by)
    for label, name, digits in (("LPIPS", "lpips", 4), ("features", "feature_distance", 5)):
        if name in means[0]:
            rows.append((label, [f"{mean[name]:.{digits}f}" for mean in means]))
            remarks.append("lower is closer")
    notes = [f"SSIM: {convention['ssim_rgb']['variant']}.", f"LR: {convention['lr']}."]
    for label, name in (("LPIPS", "lpips"), ("features", "feature_distance")):
        if isinstance(convention.get(name), str):
            notes.append(f"{label}: {convention[name]}.")
    table = [f"{line}  {remark}" for line, remark in zip(_lines(rows), remarks, strict=True)]
    wrapped = [textwrap.fill(note, _TABLE_WIDTH, break_long_words=False, break_on_hyphens=False) for note in notes]
    return [*table, "", *wrapped]


def _lines(rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Rows of a label and cells, in aligned columns."""
    label_width = max(len(label) for label, _ in rows)
    width = max(14, *(len(cell) for _, cells in rows for cell in cells))
    return ["  ".join([f"{label:<{label_width}}", *(f"{cell:>{width}}" for cell in cells)]) for label, cells in rows]


def _measured(
    results: Mapping[str, Tensor], hr: Tensor, *, scale: int, distances: Mapping[str, Distance]
) -> dict[str, dict[str, float]]:
    """All scores of one picture, by method."""
    to_original = {name: distance.prepare(hr) for name, distance in distances.items()}
    return {
        method: {
            **score_card(result, hr, scale=scale),
            **{name: float(distance(result)) for name, distance in to_original.items()},
        }
        for method, result in results.items()
    }


def _psnr_ssim(scores: Mapping[str, float], suffix: str) -> str:
    return f"{scores[f'psnr_{suffix}']:.2f} {scores[f'ssim_{suffix}']:.4f}"


def _lr_stamp(are_matlab: Sequence[bool]) -> str:
    """What kernel made the LR images; another kernel changes PSNR by as much as a method does."""
    num_others = are_matlab.count(False)
    if not num_others:
        return _MATLAB
    return f"{num_others} of {len(are_matlab)} pictures are NOT by {_MATLAB}: do not compare with papers, which use it"


def _mean(per_picture: list[dict[str, float]]) -> dict[str, float]:
    return {name: math.fsum(scores[name] for scores in per_picture) / len(per_picture) for name in per_picture[0]}


def _row(results: Mapping[str, Tensor], hr: Tensor, psnr: Mapping[str, float], *, scale: int) -> list[Panel]:
    top, left = most_detailed_window(hr, _WINDOW_SIZE, step=scale)
    window = (..., slice(top, top + _WINDOW_SIZE), slice(left, left + _WINDOW_SIZE))
    panels = [Panel(f"{method} {psnr[method]:.2f} dB", _enlarged(result[window])) for method, result in results.items()]
    return [*panels, Panel("original", _enlarged(hr[window]))]


def _beside(panels: Sequence[Panel]) -> Tensor:
    """Images of any size in a row, without captions."""
    height = max(panel.image.shape[-2] for panel in panels)
    padded = [functional.pad(panel.image, (0, 0, 0, height - panel.image.shape[-2])) for panel in panels]
    return torch.cat(padded, dim=-1)


def _enlarged(image: Tensor) -> Tensor:
    # Each pixel doubled, so that the difference can be seen without a magnifying glass.
    return image.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
