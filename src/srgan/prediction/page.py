"""A run's page to look at: one file with a before/after slider for each picture, which opens without a network.

The page is ``assets/report.html``; the pictures go into it as data, one block each, read only when they are shown.
"""

import base64
import html
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from torch import Tensor

from srgan.pictures.rgb import to_uint8
from srgan.system.files import atomic_write

_LOSSLESS_PIXELS = 400_000  # up to here PNG, above JPEG of full chroma, a tenth of the size
VIEWING_PIXELS = 3_000_000  # pictures come no larger: else some dozens would not fit into a browser
_JPEG_QUALITY = 92
_TRUST_SIDE, _PREVIEW_SIDE = 1024, 144
_TRUST_COLOUR = (255, 96, 0)
_MAIN_SCORES = ("psnr_y", "ssim_y")
_PICTURES = "<!-- pictures -->"  # where they go in the template
_SUMMARY_BYTES = 200


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


def write_report(path: Path, entries: Iterable[Entry], *, title: str) -> None:
    """Write the page of a run, whole or not at all.

    Args:
        path: The ``.html`` to write.
        entries: The pictures in order; one at a time is held in memory.
        title: What to call the run.

    Raises:
        ValueError: If the pictures of an entry are not of one shape.
    """
    template = files("srgan").joinpath("assets", "report.html").read_text(encoding="utf-8")
    head, tail = template.split(_PICTURES)
    with atomic_write(path) as file:
        # The summary stands above the pictures but is known after them: room is left for it and filled in at the end.
        before, after = head.replace("{{title}}", html.escape(title)).split("{{summary}}")
        file.write(_encoded(before))
        summary_at = file.tell()
        file.write(b" " * _SUMMARY_BYTES + _encoded(after))
        rows = list(map(partial(_write_picture, file), entries))  # a loop would hold two at a time
        file.write(_encoded(_table(rows) + tail))
        file.seek(summary_at)
        file.write(_summary(rows).encode())


def _write_picture(file: BinaryIO, entry: Entry) -> _Row:
    _check(entry)
    height, width = entry.size or entry.sr.shape[-2:]
    layers = {"bicubic": entry.bicubic, "sr": entry.sr, "reference": entry.reference}
    content = {
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
    # A name may hold </script>: no < remains in the block.
    text = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    file.write(_encoded(f'<script type="application/json" class="picture">{text}</script>\n'))
    preview = _to_pillow(entry.sr)
    preview.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    return _Row(
        entry.name,
        f"{width} × {height}",
        entry.seconds,
        entry.scores,
        entry.bicubic_scores,
        _data(preview, "JPEG", quality=80),
    )


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # the names of files need not be text


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


def _summary(rows: Sequence[_Row]) -> str:
    if not rows:
        return "No picture was enlarged."
    known = [row.seconds for row in rows if row.seconds is not None]
    number = f"{len(rows)} {'picture' if len(rows) == 1 else 'pictures'}"
    return f"{number}, enlarged in {math.fsum(known):.1f} s" if len(known) == len(rows) else number


def _table(rows: Sequence[_Row]) -> str:
    """All pictures with their main scores, each a link that shows it above."""
    if not rows:
        return ""
    shown = [score for score in _MAIN_SCORES if any(score in row.scores for row in rows)]
    heads = "".join(f'<th scope="col" class="number">{_label(score)}</th>' for score in shown)
    body = "\n".join(_table_row(number, row, shown) for number, row in enumerate(rows, start=1))
    foot = ""
    if shown and len(rows) > 1:
        means = [
            (
                _mean([row.scores[score] for row in rows if score in row.scores]),
                _mean([row.bicubic_scores[score] for row in rows if score in row.bicubic_scores]),
            )
            for score in shown
        ]
        cells = "".join(_score_cell(score, *pair) for score, pair in zip(shown, means, strict=True))
        foot = f'<tfoot><tr><td></td><th scope="row">Mean</th><td></td><td></td>{cells}</tr></tfoot>\n'
    return f"""<section aria-labelledby="all">
<h2 id="all">All pictures</h2>
<div class="wide"><table id="pictures">
<thead><tr><td class="preview"></td><th scope="col">Picture</th><th scope="col" class="number">Size</th>\
<th scope="col" class="number">Seconds</th>{heads}</tr></thead>
<tbody>
{body}
</tbody>
{foot}</table></div>
</section>
"""


def _table_row(number: int, row: _Row, shown: Sequence[str]) -> str:
    scores = "".join(_score_cell(score, row.scores.get(score), row.bicubic_scores.get(score)) for score in shown)
    seconds = "" if row.seconds is None else f"{row.seconds:.2f}"
    return (
        f'<tr><td class="preview"><img src="{row.preview}" alt=""></td>'
        f'<th scope="row"><a href="#{number}">{html.escape(row.name)}</a></th>'
        f'<td class="number">{row.size}</td><td class="number">{seconds}</td>{scores}</tr>'
    )


def _score_cell(score: str, value: float | None, bicubic: float | None) -> str:
    beside = f' <span class="quiet">bicubic {_number(score, bicubic)}</span>' if bicubic is not None else ""
    return f'<td class="number">{_number(score, value)}{beside}</td>'
