"""A run's page to look at: one file with a before/after slider for each picture, which opens without a network.

The page is ``assets/prediction.html``; the pictures go into it as data, one block each, read only when they are shown.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from srgan.prediction.pages.page_parts import (
    LABELS,
    MAIN_SCORES,
    facts,
    label,
    mean,
    number,
    require_alike,
    small_preview,
    trust_overlay,
    viewable,
    write_page,
)

VIEWING_PIXELS = 3_000_000  # pictures come no larger: else some dozens would not fit into a browser


@dataclass(frozen=True)
class Entry:
    """One picture of a run.

    Attributes:
        name: What to call it, such as its path in the folder.
        bicubic: The input, enlarged; float RGB in [0, 1], shape (1, 3, H, W), of at most ``VIEWING_PIXELS``.
        sr: The result, same shape.
        reference: The original, same shape, where there is one.
        trust: Where detail is invented, 0 … 1, shape (1, 1, h, w); any size, it is stretched over the picture.
        scores: Scores of ``sr`` against the reference by their names in ``srgan.evaluation.metrics``.
        bicubic_scores: The same of ``bicubic``.
        seconds: How long the enlargement took, if that is known.
        size: Height and width of the written file, where ``sr`` is smaller.
        unscored: Why there are no scores, though there should be.
    """

    name: str
    bicubic: Tensor
    sr: Tensor
    reference: Tensor | None = None
    trust: Tensor | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    bicubic_scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    size: tuple[int, int] | None = None
    unscored: str | None = None


@dataclass(frozen=True)
class _Row:
    """What the table of all pictures needs of one."""

    name: str
    size: str
    seconds: float | None
    scores: Mapping[str, float]
    bicubic_scores: Mapping[str, float]
    preview: str


@dataclass(frozen=True)
class _Summary:
    """What is known after the last picture; ``means`` are of the result and of bicubic, by score."""

    headline: str
    rows: Sequence[_Row]
    means: Mapping[str, tuple[float | None, float | None]]


def write_report(path: Path, entries: Iterable[Entry], *, title: str) -> None:
    """Write the page of a run, whole or not at all.

    Args:
        path: The ``.html`` to write.
        entries: The pictures in order; one at a time is held in memory.
        title: What to call the run.

    Raises:
        ValueError: If the pictures of an entry are not of one shape.
    """
    rows: list[_Row] = []
    pictures = map(partial(_picture, rows), entries)  # a loop would hold two at a time
    write_page(path, "prediction.html", title=title, pictures=pictures, summarised=lambda: _summary(rows))


def _picture(rows: list[_Row], entry: Entry) -> dict[str, Any]:
    """What the page's script needs of a picture; adds what its table needs."""
    content = block(entry)
    rows.append(
        _Row(
            entry.name,
            f"{content['width']} × {content['height']}",
            entry.seconds,
            entry.scores,
            entry.bicubic_scores,
            small_preview(entry.sr),
        )
    )
    return content


def block(entry: Entry) -> dict[str, Any]:
    """A picture as the script in ``assets/viewer.js`` shows it, its layers as data.

    Raises:
        ValueError: If its pictures are not of one shape.
    """
    _check(entry)
    height, width = size = entry.size or (entry.sr.shape[-2], entry.sr.shape[-1])
    images = {"bicubic": entry.bicubic, "sr": entry.sr, "reference": entry.reference}
    layers = {name: viewable(image) for name, image in images.items() if image is not None}
    return {
        "name": entry.name,
        "width": width,
        "height": height,
        "facts": " · ".join(facts(entry.sr, size=size, seconds=entry.seconds, unscored=entry.unscored)),
        "layers": layers,
        "labels": {name: LABELS[name] for name in layers},
        "facing": ["bicubic", "sr"],
        "trust": None if entry.trust is None else trust_overlay(entry.trust),
        "scores": [
            [label(name), number(name, entry.bicubic_scores.get(name)), number(name, value)]
            for name, value in entry.scores.items()
        ],
    }


def _check(entry: Entry) -> None:
    require_alike(entry.name, entry.bicubic, entry.sr, entry.reference)
    if entry.trust is not None and (entry.trust.ndim != 4 or entry.trust.shape[:2] != (1, 1)):
        raise ValueError(f"Expected a trust map of {entry.name!r} of (1, 1, h, w), got {tuple(entry.trust.shape)}.")


def _summary(rows: Sequence[_Row]) -> _Summary:
    shown = [score for score in MAIN_SCORES if any(score in row.scores for row in rows)]
    means = {
        score: (
            mean([row.scores[score] for row in rows if score in row.scores]),
            mean([row.bicubic_scores[score] for row in rows if score in row.bicubic_scores]),
        )
        for score in shown
    }
    return _Summary(_headline(rows), rows, means)


def _headline(rows: Sequence[_Row]) -> str:
    if not rows:
        return "No picture was enlarged."
    known = [row.seconds for row in rows if row.seconds is not None]
    number = f"{len(rows)} {'picture' if len(rows) == 1 else 'pictures'}"
    return f"{number}, enlarged in {math.fsum(known):.1f} s" if len(known) == len(rows) else number
