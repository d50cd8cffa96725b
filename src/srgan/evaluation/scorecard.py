"""Collects scores picture by picture: PSNR and SSIM in all conventions, and distances such as LPIPS."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from srgan.evaluation.metrics import card_stamp, psnr, quantise, score_card
from srgan.pictures.resize import downscale

_MATLAB = "MATLAB-convention bicubic (a = -0.5, antialiased)"
_SAME_LR = 54.0  # dB: half a level of 255; Pillow's bicubic reaches 52, others far less

Scores = dict[str, dict[str, dict[str, float]]]  # by method, then by picture (and "mean"), then by score


class Distance(Protocol):
    """A distance of two images, lower is closer, that processes the original once for all methods."""

    def prepare(self, hr: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to one original as a function, scalar, of float RGB in [0, 1] of shape (1, 3, H, W)."""


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


def _lr_stamp(are_matlab: Sequence[bool]) -> str:
    """What kernel made the LR images; another kernel changes PSNR by as much as a method does."""
    num_others = are_matlab.count(False)
    if not num_others:
        return _MATLAB
    return f"{num_others} of {len(are_matlab)} pictures are NOT by {_MATLAB}: do not compare with papers, which use it"


def _mean(per_picture: list[dict[str, float]]) -> dict[str, float]:
    return {name: math.fsum(scores[name] for scores in per_picture) / len(per_picture) for name in per_picture[0]}
