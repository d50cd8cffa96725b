"""The scores of a validation: means over the photos of all processes."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from srgan.evaluation.metrics import score

_SCORES = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")


class ValidationScores(nn.Module):
    """PSNR and SSIM of the photos validated so far; a part of the LightningModule, which logs the means."""

    def __init__(self) -> None:
        super().__init__()
        self._means = nn.ModuleDict({name: MeanMetric() for name in _SCORES})
        self.reset()

    def reset(self) -> None:
        """Forget all scores."""
        self._scores: dict[str, list[float]] = {name: [] for name in _SCORES}

    def add(self, sr: Tensor, hr: Tensor, *, scale: int) -> None:
        """Score one image, on the CPU: scores are computed in float64, which not every accelerator has.

        Args:
            sr: Float RGB in [0, 1], shape (1, 3, H, W).
            hr: The original, same shape.
            scale: Pixels to crop off each border.
        """
        for name, value in score(sr.cpu(), hr.cpu(), crop_border=scale).items():
            self._scores[name].append(value)

    def means(self) -> Iterator[tuple[str, MeanMetric]]:
        """Each score's name and mean, as an object: Lightning sums it over the processes, computes and resets it."""
        for name, metric in self._means.items():
            assert isinstance(metric, MeanMetric)
            metric.update(torch.tensor(self._scores[name]))
            yield name, metric
