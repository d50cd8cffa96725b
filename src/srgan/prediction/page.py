"""A run's page to look at: one file with a before/after slider for each picture, which opens without a network.

The page is ``assets/prediction.html``; the pictures go into it as data, one block each, read only when they are shown.
"""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from srgan.pictures.rgb import to_uint8
from srgan.system.files import atomic_write
from srgan.system.pages import page_template

_LOSSLESS_PIXELS = 400_000  # up to here PNG, above JPEG of full chroma, a tenth of the size
VIEWING_PIXELS = 3_000_000  # pictures come no larger: else some dozens would not fit into a browser
_JPEG_QUALITY = 92
_TRUST_SIDE, _PREVIEW_SIDE = 1024, 144
_TRUST_COLOUR = (255, 96, 0)
_MAIN_SCORES = ("psnr_y", "ssim_y")


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
    page = page_template("prediction.html").stream(
        title=title,
        pictures=map(partial(_picture, rows), entries),  # a loop would hold two at a time
        summarised=lambda: _summary(rows),
        label=_label,
        number=_number,
    )
    with atomic_write(path) as file:
        page.dump(file, encoding="utf-8", errors="replace")  # the names of files need not be text


def _picture(rows: list[_Row], entry: Entry) -> dict[str, Any]:
    """What the page's script needs of a picture; adds what its table needs."""
    content = block(entry)
    preview = _to_pillow(entry.sr)
    preview.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    rows.append(
        _Row(
            entry.name,
            f"{content['width']} × {content['height']}",
            entry.seconds,
            entry.scores,
            entry.bicubic_scores,
            _data(preview, "JPEG", quality=80),
        )
    )
    return content


def block(entry: Entry) -> dict[str, Any]:
    """A picture as the script in ``assets/viewer.js`` shows it, its layers as data.

    Raises:
        ValueError: If its pictures are not of one shape.
    """
    _check(entry)
    height, width = entry.size or entry.sr.shape[-2:]
    layers = {"bicubic": entry.bicubic, "sr": entry.sr, "reference": entry.reference}
    return {
        "name": entry.name,
        "width": width,
        "height": height,
        "facts": " · ".join(_facts(entry, height, width)),
        "layers": {name: _viewable(image) for name, image in layers.items() if image is not None},
        "trust": None if entry.trust is None else _trust_overlay(entry.trust),
        "scores": [
            [_label(name), _number(name, entry.bicubic_scores.get(name)), _number(name, value)]
            for name, value in entry.scores.items()
        ],
    }


def _facts(entry: Entry, height: int, width: int) -> Iterator[str]:
    yield f"{width} × {height} pixels"
    if entry.seconds is not None:
        yield f"{entry.seconds:.2f} s"
    shown = math.sqrt(entry.sr.shape[-2] * entry.sr.shape[-1] / (height * width))
    if shown < 1:
        yield f"shown at {shown:.0%} of its size, so that the page stays small: the written file has it all"
    if entry.unscored is not None:
        yield f"not scored: {entry.unscored}"


def _check(entry: Entry) -> None:
    shapes = {tuple(image.shape) for image in (entry.bicubic, entry.sr, entry.reference) if image is not None}
    if len(shapes) != 1 or not all(len(shape) == 4 and shape[:2] == (1, 3) for shape in shapes):
        raise ValueError(f"Expected pictures of {entry.name!r} of one shape (1, 3, H, W), got {sorted(shapes)}.")
    if entry.trust is not None and (entry.trust.ndim != 4 or entry.trust.shape[:2] != (1, 1)):
        raise ValueError(f"Expected a trust map of {entry.name!r} of (1, 1, h, w), got {tuple(entry.trust.shape)}.")


def _viewable(image: Tensor) -> str:
    picture = _to_pillow(image)
    if picture.width * picture.height <= _LOSSLESS_PIXELS:
        return _data(picture, "PNG")
    return _data(picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0)


def _trust_overlay(trust: Tensor) -> str:
    """The map as one colour that covers the picture as far as detail is invented."""
    alpha = to_uint8(trust[0, 0]).cpu().numpy()
    mask = Image.fromarray(alpha)
    mask.thumbnail((_TRUST_SIDE, _TRUST_SIDE))
    overlay = Image.new("RGB", mask.size, _TRUST_COLOUR)
    overlay.putalpha(mask)
    return _data(overlay, "PNG")


def _to_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_uint8(image[0]).permute(1, 2, 0).cpu().numpy()))


def _data(picture: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _label(score: str) -> str:
    """What a reader calls a score: ``psnr_y_border0`` is PSNR on Y with the border, in dB."""
    metric, _, rest = score.partition("_")
    if metric not in ("psnr", "ssim"):
        return score.replace("_", " ").capitalize() if len(score) > 5 else score.upper()
    channel, _, border = rest.partition("_")
    unit = " (dB)" if metric == "psnr" else ""
    return f"{metric.upper()} on {channel.upper()}{', border included' if border else ''}{unit}"


def _number(score: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞ (equal)"
    return f"{value:.2f}" if score.startswith("psnr") else f"{value:.4f}"


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _summary(rows: Sequence[_Row]) -> _Summary:
    shown = [score for score in _MAIN_SCORES if any(score in row.scores for row in rows)]
    means = {
        score: (
            _mean([row.scores[score] for row in rows if score in row.scores]),
            _mean([row.bicubic_scores[score] for row in rows if score in row.bicubic_scores]),
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
