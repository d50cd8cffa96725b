"""LPIPS, a learned distance of two images, if its weights are in the cache: nothing is downloaded."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torchvision import models

from srgan.evaluation.metrics import quantise
from srgan.system.files import file_digest

_BACKBONE = models.AlexNet_Weights.IMAGENET1K_V1
_SMALLEST_SIDE = 32  # below this, AlexNet's poolings leave nothing


class NoBackboneError(RuntimeError):
    """LPIPS cannot be measured: the weights of its network are missing or broken."""


class Lpips:
    """LPIPS 0.1 with AlexNet: linear heads from torchmetrics, the network from torchvision's cache.

    Args:
        device: Where to measure.

    Raises:
        NoBackboneError: If AlexNet's weights are missing from the cache, or broken; says where the file belongs.

    Reference: Zhang et al. 2018, arXiv:1801.03924, §3.
    """

    stamp: ClassVar[dict[str, str | int]] = {
        "metric": "LPIPS",
        "unit": "1, lower is closer",
        "channel": "RGB",
        "crop_border": 0,
        "rounding": "8 bit",
        "variant": "version 0.1, AlexNet",
    }

    def __init__(self, device: torch.device) -> None:
        _check(backbone_file())
        # Takes seconds, and is useless without weights.
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self._device = device
        self._metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).to(device)

    def prepare(self, hr: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to one original.

        Args:
            hr: Float RGB in [0, 1], shape (1, 3, H, W).

        Returns:
            A function of ``sr``, of the same type and shape, to a scalar: NaN if a side is below 32 pixels.
        """
        original = self._rounded(hr)

        def distance(sr: Tensor) -> Tensor:
            if min(sr.shape[-2:]) < _SMALLEST_SIDE:
                return torch.tensor(math.nan)
            measured: Tensor = self._metric(self._rounded(sr), original)
            return measured

        return distance

    def _rounded(self, images: Tensor) -> Tensor:
        return (quantise(images) / 255).float().to(self._device)


def backbone_file() -> Path:
    """Where torchvision keeps AlexNet's ImageNet weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_BACKBONE.url).name


def _check(file: Path) -> None:
    if not file.is_file():
        raise NoBackboneError(f"{file} is missing; it comes from {_BACKBONE.url}")
    # Torch unpickles this file, so only the one whose hash is in its name may get that far.
    if not file_digest(file).startswith(file.stem.rsplit("-", 1)[1]):
        raise NoBackboneError(f"{file} is broken (wrong SHA-256); it comes from {_BACKBONE.url}")
