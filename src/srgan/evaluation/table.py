"""Scores as a table for the console."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from srgan.evaluation.metrics import CONVENTIONS
from srgan.evaluation.scorecard import Scores

_WIDTH = 120


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
        for picture in next(iter(scores.values()))
    ]
    table = _lines([("picture", list(scores)), *pictures])
    return "\n".join([title.format(convention["psnr_y"]["crop_border"]), *table, "", *_card(scores, convention)])


def _card(scores: Scores, convention: Mapping[str, Any]) -> list[str]:
    """The means: a line for each convention, who publishes in it, and notes that comparing requires."""
    means = [by_picture["mean"] for by_picture in scores.values()]
    rows, remarks = [(f"mean of {len(next(iter(scores.values()))) - 1}", list(scores))], ["published so by"]
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
    wrapped = [textwrap.fill(note, _WIDTH, break_long_words=False, break_on_hyphens=False) for note in notes]
    return [*table, "", *wrapped]


def _lines(rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Rows of a label and cells, in aligned columns."""
    label_width = max(len(label) for label, _ in rows)
    width = max(14, *(len(cell) for _, cells in rows for cell in cells))
    return ["  ".join([f"{label:<{label_width}}", *(f"{cell:>{width}}" for cell in cells)]) for label, cells in rows]


def _psnr_ssim(scores: Mapping[str, float], suffix: str) -> str:
    return f"{scores[f'psnr_{suffix}']:.2f} {scores[f'ssim_{suffix}']:.4f}"
