"""A page that compares networks: the same place of a picture in a column for each, or two of them under a divider.

The page is ``assets/compare.html``; one file, which opens without a network, as the report of one network is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from srgan.prediction.pages.page_parts import (
    LABELS,
    MAIN_SCORES,
    facts,
    mean,
    number,
    require_alike,
    small_preview,
    viewable,
    write_page,
)


@dataclass(frozen=True)
class Network:
    """One that is compared.

    Attributes:
        name: What to call it.
        scale: How many times it enlarges.
        num_bytes: How large its file is.
    """

    name: str
    scale: int
    num_bytes: int


@dataclass(frozen=True)
class Comparison:
    """One picture, enlarged by all networks.

    Attributes:
        name: What to call it, such as its path in the folder.
        bicubic: The input, enlarged; float RGB in [0, 1], shape (1, 3, H, W).
        results: By network, same shape.
        size: Height and width before they were made smaller for the page.
        reference: The original, same shape, where there is one.
        scores: By network, scores against the reference by their names in ``srgan.evaluation.metrics``.
        bicubic_scores: The same of ``bicubic``.
        seconds: By network, how long it took, as far as that is known.
        unscored: Why there are no scores, though there should be.
    """

    name: str
    bicubic: Tensor
    results: Mapping[str, Tensor]
    size: tuple[int, int]
    reference: Tensor | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    bicubic_scores: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    unscored: str | None = None

    def scores_of(self, network: str | None) -> Mapping[str, float]:
        """The scores of a network; of None, those of bicubic."""
        return self.bicubic_scores if network is None else self.scores.get(network, {})


@dataclass(frozen=True)
class _Row:
    """What the tables need of one picture; scores and seconds by network, None for bicubic."""

    name: str
    size: str
    preview: str
    scores: Mapping[str | None, Mapping[str, float]]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class _Line:
    """A network in the table of all, or bicubic."""

    name: str
    key: str | None
    scale: str
    megabytes: str
    seconds: str
    means: Sequence[str]


@dataclass(frozen=True)
class _Summary:
    """What is known after the last picture."""

    headline: str
    rows: Sequence[_Row]
    lines: Sequence[_Line]
    scores: Sequence[str]


def write_comparison(path: Path, entries: Iterable[Comparison], *, networks: Sequence[Network], title: str) -> None:
    """Write the page, whole or not at all.

    Args:
        path: The ``.html`` to write.
        entries: The pictures in order; one at a time is held in memory.
        networks: Those whose results the entries hold.
        title: What to call the page.

    Raises:
        ValueError: If the pictures of an entry are not of one shape.
    """
    rows: list[_Row] = []
    pictures = map(partial(_picture, rows, networks), entries)  # a loop would hold two at a time
    write_page(path, "compare.html", title=title, pictures=pictures, summarised=lambda: _summary(rows, networks))


def _picture(rows: list[_Row], networks: Sequence[Network], entry: Comparison) -> dict[str, Any]:
    """What the page's script needs of a picture, see ``page.block``; adds what its tables need."""
    require_alike(entry.name, entry.bicubic, *entry.results.values(), entry.reference)
    names = [each.name for each in networks]
    keys = {name: f"network-{index}" for index, name in enumerate(names)}  # a network may be called as it likes
    images = {
        "bicubic": entry.bicubic,
        **{keys[name]: entry.results[name] for name in names},
        "reference": entry.reference,
    }
    layers = {key: viewable(image) for key, image in images.items() if image is not None}
    labels = {
        "bicubic": _captioned(LABELS["bicubic"], entry.bicubic_scores),
        **{keys[name]: _captioned(name, entry.scores_of(name)) for name in names},
        "reference": LABELS["reference"],
    }
    height, width = entry.size
    of_all = {name: entry.scores_of(name) for name in (None, *names)}
    preview = small_preview(entry.results[names[0]])
    rows.append(_Row(entry.name, f"{width} × {height}", preview, of_all, entry.seconds))
    return {
        "name": entry.name,
        "width": width,
        "height": height,
        "facts": " · ".join(facts(entry.bicubic, size=entry.size, unscored=entry.unscored)),
        "layers": layers,
        "labels": {key: labels[key] for key in layers},
        "facing": [keys[name] for name in names[:2]],
        "trust": None,
    }


def _captioned(name: str, scores: Mapping[str, float]) -> str:
    units = {"psnr_y": " dB"}
    known = [f"{number(each, scores[each])}{units.get(each, '')}" for each in MAIN_SCORES if each in scores]
    return " · ".join([name, *known])


def _summary(rows: Sequence[_Row], networks: Sequence[Network]) -> _Summary:
    scored = [row for row in rows if row.scores[None]]
    scores = MAIN_SCORES if scored else ()
    count = f"{len(rows)} {'picture' if len(rows) == 1 else 'pictures'}, {len(networks)} networks"
    headline = f"{count}, {len(scored)} with an original" if scored else count
    return _Summary(headline, rows, list(_lines(rows, networks)), scores)


def _lines(rows: Sequence[_Row], networks: Sequence[Network]) -> Iterator[_Line]:
    largest = max(each.scale for each in networks)

    def means(key: str | None) -> list[str]:
        scored = [row.scores[key] for row in rows if row.scores[key]]
        return [number(score, mean([each[score] for each in scored])) for score in MAIN_SCORES] if scored else []

    if bicubic := means(None):
        yield _Line(LABELS["bicubic"], None, f"{largest} ×", "", "", bicubic)
    for each in networks:
        seconds = mean([row.seconds[each.name] for row in rows if each.name in row.seconds])
        scale = f"{each.scale} ×" + ("" if each.scale == largest else f", then bicubic to {largest} ×")
        told = "–" if seconds is None else f"{seconds:.2f}"
        yield _Line(each.name, each.name, scale, f"{each.num_bytes / 1e6:.1f}", told, means(each.name))
