"""``scores.json``: scores on disk, and how each was measured."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srgan.system.files import atomic_write

SCORES = "scores.json"
PREDICTED = "made by predict.py"  # marks its scores and pages, to distinguish them from other files of those names


def write_scores(
    folder: Path, scores: Mapping[str, Mapping[str, Mapping[str, float]]], convention: Mapping[str, Any], **details: Any
) -> None:
    """Write ``scores.json`` into a folder, whole or not at all.

    Args:
        folder: Created if necessary.
        scores: By method, then by picture (and ``mean``), then by score.
        convention: How each score was measured.
        details: Further plain values to store, such as the step.
    """
    record = {"convention": convention, **details, "scores": _without_infinity(scores)}
    with atomic_write(folder / SCORES) as file:
        file.write(f"{json.dumps(record, indent=2)}\n".encode())


def read_scores(folder: Path) -> dict[str, Any]:
    """What ``scores.json`` in a folder holds."""
    record: dict[str, Any] = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    return record


def _without_infinity(scores: Any) -> Any:
    """Null for numbers that JSON lacks: the PSNR of equal images is infinite, the LPIPS of tiny ones NaN."""
    if isinstance(scores, Mapping):
        return {name: _without_infinity(value) for name, value in scores.items()}
    return scores if math.isfinite(scores) else None
