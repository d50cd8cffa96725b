"""What a finished run leaves in its folder: scores, pictures and the generator."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srgan.evaluation.evaluate import Evaluation, evaluate
from srgan.evaluation.lpips import Lpips, NoBackboneError
from srgan.evaluation.score_file import SCORES, read_scores, write_scores
from srgan.evaluation.scorecard import Distance, Scores
from srgan.losses import ContentLoss
from srgan.networks import AnyGenerator
from srgan.pictures.rgb import write_image
from srgan.weights import load_generator, save_generator

WEIGHTS = "generator.safetensors"
COMPARISON, DETAIL, ORIGINAL_DETAIL = "samples/comparison.png", "samples/detail.png", "samples/detail_original.png"


def close_run(
    output_dir: Path,
    *,
    last: nn.Module,
    content: ContentLoss | None,
    batches: Iterable[Mapping[str, Any]],
    step: int,
    overrides: Sequence[str] = (),
) -> Scores:
    """Score the last and the best weights on whole pictures and write the results.

    Args:
        output_dir: The run's folder; ``checkpoints/best.ckpt`` in it, if it exists, is scored as well.
        last: The generator at the end of training, in evaluation mode; exported as ``generator.safetensors``.
        content: Also measures the distance in features, if given.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.
        step: The step that training has reached.
        overrides: Settings from the command line, for a sweep's report.

    Returns:
        The scores by method (``bicubic``, ``best``, ``last``), picture (and ``mean``) and score.
    """
    assert isinstance(last, AnyGenerator), "conf/generator/*.yaml build srgan.networks.AnyGenerator"
    generators, device = {"last": last}, next(last.parameters()).device
    best_path = output_dir / "checkpoints" / "best.ckpt"
    if best_path.is_file():
        generators = {"best": load_generator(best_path).to(device), "last": last}
    result, convention = _evaluated(generators, batches, content=content, device=device)
    save_generator(output_dir / WEIGHTS, last, metadata={"steps": str(step)})
    write_image(output_dir / COMPARISON, result.comparison)
    write_image(output_dir / DETAIL, result.detail)
    write_image(output_dir / ORIGINAL_DETAIL, result.original_detail)
    # After all else: see is_closed.
    write_scores(output_dir, result.scores, convention, step=step, overrides=list(overrides))
    return result.scores


def is_closed(output_dir: Path, *, step: int) -> bool:
    """Whether a folder holds the closing test's scores at a step; scores without a step count for any."""
    return (output_dir / SCORES).is_file() and read_scores(output_dir).get("step") in (step, None)


def load_side_by_side(paths: Sequence[Path], *, scale: int, device: torch.device) -> dict[str, AnyGenerator]:
    """Load generators to compare.

    Args:
        paths: As ``srgan.weights.load_generator`` takes them.
        scale: How many times each must enlarge.
        device: Where to put them.

    Returns:
        The generators, in evaluation mode, by the names of their files, or by their paths if two files
        have the same name.

    Raises:
        ValueError: If one cannot be read, has another scale or does not enlarge.
    """
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    generators = {name: load_generator(path).to(device) for name, path in zip(names, paths, strict=True)}
    for name, generator in generators.items():
        if generator.scale == 1:
            raise ValueError(
                f"{name} restores pictures and leaves their size: scores are of networks that enlarge what was made"
                " smaller. predict.py with reference= compares its results with originals."
            )
        if generator.scale != scale:
            raise ValueError(f"{name} enlarges {generator.scale} times: set scale={generator.scale}.")
    return generators


def score_weights(
    output_dir: Path,
    *,
    generators: Mapping[str, AnyGenerator],
    content: ContentLoss | None,
    batches: Iterable[Mapping[str, Any]],
) -> Scores:
    """Score weights without training, and write ``scores.json`` and the comparison picture.

    Args:
        output_dir: The folder to write to.
        generators: The networks by name, in evaluation mode.
        content: Also measures the distance in features, if given.
        batches: Batches of one picture each: ``lr``, ``hr`` and ``name``.

    Returns:
        The scores by method (``bicubic`` and the names), picture (and ``mean``) and score.
    """
    device = next(parameter.device for generator in generators.values() for parameter in generator.parameters())
    result, convention = _evaluated(generators, batches, content=content, device=device)
    write_image(output_dir / COMPARISON, result.comparison)
    write_scores(output_dir, result.scores, convention, step=None, overrides=[])
    return result.scores


def compared(scores: Mapping[str, Mapping[str, float]]) -> tuple[float, ...]:
    """The scores of one method that a sweep compares: mean PSNR on Y in dB and, if measured, mean feature distance."""
    return tuple(scores["mean"][name] for name in ("psnr_y", "feature_distance") if name in scores["mean"])


def read_convention(output_dir: Path) -> dict[str, Any]:
    """How each score of a folder was measured, from its ``scores.json``."""
    convention: dict[str, Any] = read_scores(output_dir)["convention"]
    return convention


def _evaluated(
    generators: Mapping[str, AnyGenerator],
    batches: Iterable[Mapping[str, Any]],
    *,
    content: ContentLoss | None,
    device: torch.device,
) -> tuple[Evaluation, dict[str, Any]]:
    """The evaluation with all distances that can be measured, and how each score was, or why it is left out."""
    distances: dict[str, Distance] = {}
    stamps: dict[str, Any] = {"feature_distance": None}
    if content is not None:
        distances["feature_distance"], stamps["feature_distance"] = content, content.description
    try:
        distances["lpips"], stamps["lpips"] = Lpips(device), Lpips.stamp
    except NoBackboneError as reason:
        stamps["lpips"] = f"left out: {reason}"
    result = evaluate(generators, batches, distances=distances)
    return result, {**result.convention, **stamps}
