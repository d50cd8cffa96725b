"""What a finished run leaves in its folder: scores, pictures and the generator."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from srgan.evaluation import CONVENTION, Scores, evaluate
from srgan.files import atomic_write
from srgan.images import write_image
from srgan.losses import ContentLoss
from srgan.networks import Generator
from srgan.weights import load_generator, save_generator

WEIGHTS, SCORES = "generator.safetensors", "scores.json"
COMPARISON, DETAIL, ORIGINAL_DETAIL = "samples/comparison.png", "samples/detail.png", "samples/detail_original.png"


def close_run(
    output_dir: Path,
    *,
    last: Generator,
    content: ContentLoss | None,
    batches: Iterable[Mapping[str, Any]],
    overrides: Sequence[str] = (),
) -> Scores:
    """Score the last and the best weights on whole pictures and write everything down.

    Args:
        output_dir: The run's folder; ``checkpoints/best.ckpt`` in it, if it is there, is scored beside ``last``.
        last: The generator as training left it, in evaluation mode; exported as ``generator.safetensors``.
        content: Measures the distance in features as well, if given.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.
        overrides: What was changed on the command line, for the report of a sweep.

    Returns:
        The scores by method (``bicubic``, ``best``, ``last``), picture (and ``mean``) and score.
    """
    generators = {"last": last}
    best_path = output_dir / "checkpoints" / "best.ckpt"
    if best_path.is_file():
        device = next(last.parameters()).device
        generators = {"best": load_generator(best_path).to(device), "last": last}
    result = evaluate(generators, batches, distance=content)
    save_generator(output_dir / WEIGHTS, last)
    write_image(output_dir / COMPARISON, result.comparison)
    write_image(output_dir / DETAIL, result.detail)
    write_image(output_dir / ORIGINAL_DETAIL, result.original_detail)
    _write_scores(output_dir, result.scores, content=content, overrides=overrides)
    return result.scores


def score_weights(
    output_dir: Path,
    *,
    generators: Mapping[str, Generator],
    content: ContentLoss | None,
    batches: Iterable[Mapping[str, Any]],
) -> Scores:
    """Score weights without training, and write ``scores.json`` and the comparison picture.

    Args:
        output_dir: The folder to write to.
        generators: The networks by name, in evaluation mode.
        content: Measures the distance in features as well, if given.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.

    Returns:
        The scores by method (``bicubic`` and the names), picture (and ``mean``) and score.
    """
    result = evaluate(generators, batches, distance=content)
    write_image(output_dir / COMPARISON, result.comparison)
    _write_scores(output_dir, result.scores, content=content, overrides=())
    return result.scores


def _write_scores(output_dir: Path, scores: Scores, *, content: ContentLoss | None, overrides: Sequence[str]) -> None:
    features = None if content is None else content.description
    record = {
        "convention": {**CONVENTION, "feature_distance": features},
        "overrides": list(overrides),
        "scores": _without_infinity(scores),
    }
    with atomic_write(output_dir / SCORES) as file:
        file.write(f"{json.dumps(record, indent=2)}\n".encode())


def _without_infinity(scores: Any) -> Any:
    """The PSNR of equal pictures is infinite, which JSON has no number for: it becomes null."""
    if isinstance(scores, dict):
        return {name: _without_infinity(value) for name, value in scores.items()}
    return scores if math.isfinite(scores) else None
