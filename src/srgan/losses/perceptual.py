"""LPIPS and DISTS as content losses: distances in VGG16's features, weighted by what people see as alike."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from srgan.losses.content import ContentLoss

Metric = Literal["lpips", "dists"]

_LAYERS = ("vgg12", "vgg22", "vgg33", "vgg43", "vgg53")
_LEARNT = {"lpips": "lpips_models/vgg.pth", "dists": "dists_models/weights.pt"}  # in torchmetrics' folder
_NAMES = {"lpips": "LPIPS (version 0.1, VGG16)", "dists": "DISTS"}
_TINY = 1e-6  # DISTS's c1 and c2


class PerceptualLoss(ContentLoss):
    """LPIPS or DISTS of two images, as published, if VGG16's weights are those of ImageNet.

    LPIPS ties textures to their position; DISTS compares their statistics, so that another leaf of the same tree is
    hardly an error.

    Args:
        metric: ``lpips`` or ``dists``; what was learnt of people's judgements comes with torchmetrics.
        weights: VGG16's, as ``ContentLoss`` takes them.
        full_precision: As for ``ContentLoss``.

    Raises:
        ValueError: If there is no such metric.
        RuntimeError: If the weights are unavailable; the message says what to do.

    Reference: Zhang et al. 2018, arXiv:1801.03924; Ding et al. 2020, arXiv:2004.07728.
    """

    def __init__(self, *, metric: Metric, weights: str | Path = "imagenet", full_precision: bool = True) -> None:
        if metric not in _LEARNT:
            raise ValueError(f"Expected metric to be one of {', '.join(_LEARNT)}, got {metric!r}.")
        super().__init__(
            network="vgg16",
            layer=dict.fromkeys(_LAYERS, 1.0),
            weights=weights,
            full_precision=full_precision,
            feature_scale=1.0,
        )
        self.metric = metric
        self.description = f"{_NAMES[metric]}, weights: {self.weights_used}"
        learnt = _learnt(_LEARNT[metric])
        if metric == "dists":
            features = self._features[0]
            self._features = (nn.Sequential(*(_L2Pool() if isinstance(m, nn.MaxPool2d) else m for m in features)),)
            total = learnt["alpha"].sum() + learnt["beta"].sum()
            for name in ("alpha", "beta"):
                self.register_buffer(name, learnt[name] / total, persistent=False)
        else:
            heads = torch.cat([learnt[f"lin{layer}.model.1.weight"] for layer in range(len(_LAYERS))], dim=1)
            self.register_buffer("heads", heads, persistent=False)

    def extract(self, images: Tensor) -> list[Tensor]:
        """As ``ContentLoss.extract``; for DISTS the image itself comes first."""
        own = [images.to(self.mean.dtype)] if self.metric == "dists" else []
        return [*own, *super().extract(images)]

    def _distance(self, sr: Tensor, hr_features: list[Tensor]) -> Tensor:
        sr_features = [each.float() for each in self.extract(sr)]
        pairs = list(zip(sr_features, [each.float() for each in hr_features], strict=True))
        sizes = [each.shape[1] for each in sr_features]
        if self.metric == "lpips":
            heads = torch.split_with_sizes(self.get_buffer("heads"), sizes, dim=1)
            return torch.stack([_lpips(*pair, head) for pair, head in zip(pairs, heads, strict=True)]).sum()
        alphas, betas = (torch.split_with_sizes(self.get_buffer(name), sizes, dim=1) for name in ("alpha", "beta"))
        alike = [_alike(*pair, alpha, beta) for pair, alpha, beta in zip(pairs, alphas, betas, strict=True)]
        return 1 - torch.stack(alike).sum()


def _lpips(sr: Tensor, hr: Tensor, head: Tensor) -> Tensor:
    """One layer's part: squared difference of features of length 1, channels weighted; the mean over pixels."""
    difference = _of_length_1(sr) - _of_length_1(hr)
    return (difference.square() * head).sum(dim=1).mean()


def _of_length_1(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


def _alike(sr: Tensor, hr: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """One layer's part: agreement of the means (texture) and of the covariance (structure), channels weighted."""
    sr_mean, hr_mean = (each.mean(dim=(2, 3), keepdim=True) for each in (sr, hr))
    sr_variance, hr_variance = (
        (each - mean).square().mean(dim=(2, 3), keepdim=True) for each, mean in ((sr, sr_mean), (hr, hr_mean))
    )
    covariance = (sr * hr).mean(dim=(2, 3), keepdim=True) - sr_mean * hr_mean
    texture = (2 * sr_mean * hr_mean + _TINY) / (sr_mean.square() + hr_mean.square() + _TINY)
    structure = (2 * covariance + _TINY) / (sr_variance + hr_variance + _TINY)
    return (alpha * texture + beta * structure).sum(dim=1).mean()


class _L2Pool(nn.Module):
    """Pooling by a blurred root mean square, which has no aliasing (Hénaff and Simoncelli 2016)."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to half the height and width."""
        row = torch.tensor((0.25, 0.5, 0.25), device=features.device, dtype=features.dtype)
        channels = features.shape[1]
        kernel = torch.outer(row, row).expand(channels, 1, 3, 3)
        return (conv2d(features.square(), kernel, stride=2, padding=1, groups=channels) + 1e-12).sqrt()


def _learnt(name: str) -> dict[str, Tensor]:
    with as_file(files("torchmetrics") / "functional" / "image" / name) as file:
        learnt: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return {key: value.detach() for key, value in learnt.items()}
