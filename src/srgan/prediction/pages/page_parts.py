"""What pages of pictures are made of: pictures as data, scores as text; and how a page is written."""

import base64
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from srgan.pictures.rgb import to_uint8
from srgan.system.files import atomic_write
from srgan.system.pages import page_template

LABELS = {"bicubic": "Bicubic", "sr": "Super-resolved", "reference": "Reference"}  # what readers call layers
MAIN_SCORES = ("psnr_y", "ssim_y")  # those that tables of pictures have room for
_LOSSLESS_PIXELS = 400_000  # up to here PNG, above JPEG of full chroma, a tenth of the size
_JPEG_QUALITY = 92
_TRUST_SIDE, _PREVIEW_SIDE = 1024, 144
_TRUST_COLOUR = (255, 96, 0)


def write_page(
    path: Path, template: str, *, title: str, pictures: Iterable[Mapping[str, Any]], summarised: Callable[[], object]
) -> None:
    """Write a page of pictures, whole or not at all.

    Args:
        path: The ``.html`` to write.
        template: A file in ``assets/``.
        title: What to call the page.
        pictures: What the page's script needs of each; one at a time is held in memory.
        summarised: Gives what is known after the last picture.
    """
    page = page_template(template).stream(
        title=title, pictures=pictures, summarised=summarised, label=label, number=number
    )
    with atomic_write(path) as file:
        page.dump(file, encoding="utf-8", errors="replace")  # the names of files need not be text


def require_alike(name: str, *images: Tensor | None) -> None:
    """Make sure that the images of one picture are of one shape.

    Raises:
        ValueError: If they are not.
    """
    shapes = {tuple(image.shape) for image in images if image is not None}
    if len(shapes) != 1 or not all(len(shape) == 4 and shape[:2] == (1, 3) for shape in shapes):
        raise ValueError(f"Expected pictures of {name!r} of one shape (1, 3, H, W), got {sorted(shapes)}.")


def facts(
    image: Tensor, *, size: tuple[int, int], seconds: float | None = None, unscored: str | None = None
) -> Iterator[str]:
    """What there is to say of a picture.

    Args:
        image: As it is shown, shape (1, 3, h, w).
        size: Height and width of the written file.
        seconds: How long the enlargement took, if that is known.
        unscored: Why there are no scores, though there should be.
    """
    height, width = size
    yield f"{width} × {height} pixels"
    if seconds is not None:
        yield f"{seconds:.2f} s"
    shown = math.sqrt(image.shape[-2] * image.shape[-1] / (height * width))
    if shown < 1:
        yield f"shown at {shown:.0%} of its size, so that the page stays small: the written file has it all"
    if unscored is not None:
        yield f"not scored: {unscored}"


def viewable(image: Tensor) -> str:
    """An image, float RGB in [0, 1] of shape (1, 3, H, W), as the address of an ``<img>``."""
    picture = _to_pillow(image)
    if picture.width * picture.height <= _LOSSLESS_PIXELS:
        return _data(picture, "PNG")
    return _data(picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0)


def small_preview(image: Tensor) -> str:
    """An image of the same kind, as small as a line of a table."""
    preview = _to_pillow(image)
    preview.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    return _data(preview, "JPEG", quality=80)


def trust_overlay(trust: Tensor) -> str:
    """A map of shape (1, 1, h, w) as one colour that covers the picture as far as detail is invented."""
    alpha = to_uint8(trust[0, 0]).cpu().numpy()
    mask = Image.fromarray(alpha)
    mask.thumbnail((_TRUST_SIDE, _TRUST_SIDE))
    overlay = Image.new("RGB", mask.size, _TRUST_COLOUR)
    overlay.putalpha(mask)
    return _data(overlay, "PNG")


def label(score: str) -> str:
    """What a reader calls a score: ``psnr_y_border0`` is PSNR on Y with the border, in dB."""
    metric, _, rest = score.partition("_")
    if metric not in ("psnr", "ssim"):
        return score.replace("_", " ").capitalize() if len(score) > 5 else score.upper()
    channel, _, border = rest.partition("_")
    unit = " (dB)" if metric == "psnr" else ""
    return f"{metric.upper()} on {channel.upper()}{', border included' if border else ''}{unit}"


def number(score: str, value: float | None) -> str:
    """A score as text, with the digits that it is known to."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞ (equal)"
    return f"{value:.2f}" if score.startswith("psnr") else f"{value:.4f}"


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def _to_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_uint8(image[0]).permute(1, 2, 0).cpu().numpy()))


def _data(picture: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
