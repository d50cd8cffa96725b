"""Originals to score a run's results against: found by name, measured on the metric card, noted in ``scores.json``."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from srgan.evaluation.evaluate import BICUBIC
from srgan.evaluation.lpips import Lpips, NoBackboneError
from srgan.evaluation.score_file import PREDICTED, write_scores
from srgan.evaluation.scorecard import Distance, ScoreCard
from srgan.evaluation.table import score_table
from srgan.pictures.browser_view import Seen, read_seen
from srgan.pictures.find import by_stem, hr_partner, stem_of


class References:
    """The originals in a folder, and the scores of results against them.

    An original has the same relative path as its LR picture, with any picture extension, or the LR picture's has
    ``x<scale>`` behind the stem as in DIV2K (``0801.png`` and ``0801x4.png``).

    Args:
        folder: Where the originals are.
        scale: How many times the results are enlarged.
        max_pixels: The most pixels an original may have.
        device: Where to measure LPIPS, if its weights are at hand.

    Raises:
        FileNotFoundError: If the folder does not exist or holds no picture.
        ValueError: If two originals differ in nothing but their extension.
    """

    def __init__(self, folder: Path, *, scale: int, max_pixels: int, device: torch.device) -> None:
        self._folder, self._scale, self._max_pixels = folder, scale, max_pixels
        self._paths = by_stem(folder)
        distances: dict[str, Distance] = {}
        self._stamps: dict[str, Mapping[str, Any] | str] = {}
        try:
            distances["lpips"], self._stamps["lpips"] = Lpips(device), Lpips.stamp
        except NoBackboneError as reason:
            self._stamps["lpips"] = f"left out: {reason}"
        self._card = ScoreCard(distances)

    def read(self, name: PurePath, *, size: tuple[int, int]) -> Seen | None:
        """The original of a picture.

        Args:
            name: The LR picture's path relative to the input folder.
            size: Height and width of the result. An original may be larger by less than the scale, as one is whose
                sides are no multiples of it: the rest at the bottom and the right is left out, as papers do.

        Returns:
            The original, of that size; None where the folder has none of that name.

        Raises:
            ValueError: If the original is of another size, or cannot be read; the message names it.
        """
        path = hr_partner(stem_of(name), self._paths, scale=self._scale)
        if path is None:
            return None
        hr = read_seen(path, max_pixels=self._max_pixels)
        surplus = [found - wanted for found, wanted in zip(hr.size, size, strict=True)]
        if not all(0 <= each < self._scale for each in surplus):
            raise ValueError(
                f"Expected {path} to be the original of {name}, {size[1]}x{size[0]} pixels or less than {self._scale}"
                f" more, got {hr.size[1]}x{hr.size[0]}. Give originals {self._scale} times as large as the inputs."
            )
        return hr.top_left(size)

    @property
    def any_scored(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._card.scores)

    def score(
        self, name: PurePath, *, lr: Tensor, bicubic: Tensor, results: Mapping[str, Tensor], hr: Tensor
    ) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        """Score the results of one picture, and bicubic beside them.

        Args:
            name: What to call the picture.
            lr: The input, float RGB in [0, 1], shape (1, 3, h, w).
            bicubic: It, enlarged, shape (1, 3, scale * h, scale * w).
            results: By method, such as the name of the weights; same shape.
            hr: The original, same shape.

        Returns:
            The scores of the results by method, and those of ``bicubic``.

        Raises:
            ValueError: If the picture is too small to score.
        """
        named = {_as_method(method): result for method, result in results.items()}
        measured = self._card.add(name.as_posix(), {BICUBIC: bicubic, **named}, lr=lr, hr=hr)
        return {method: measured[_as_method(method)] for method in results}, measured[BICUBIC]

    def write(self, folder: Path) -> str:
        """Write ``scores.json`` of all pictures so far into a folder.

        Returns:
            The scores as a table for the console.

        Raises:
            ValueError: If no picture was scored.
        """
        if not self.any_scored:
            raise ValueError(
                f"None of the pictures has an original in {self._folder}. Originals are found by name: a/b.jpg or"
                f" a/bx{self._scale}.jpg has a/b.png."
            )
        convention = {**self._card.convention, **self._stamps}
        write_scores(folder, self._card.scores, convention, origin=PREDICTED)
        return score_table(self._card.scores, convention)


def _as_method(name: str) -> str:
    """What scores are called by the name of their weights: bicubic itself is scored beside them."""
    return f"{name} (weights)" if name == BICUBIC else name
