"""The discriminator: is an image real or generated? (Ledig et al. 2017, arXiv:1609.04802, fig. 4)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from srgan.networks.blocks import BatchNorm

_STAGES = ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))  # (multiple of `channels`, stride)
_DENSE = 16  # multiple of `channels`
_POOLED_SIZE = 6  # side of the last feature map for the paper's 96x96 crops
_MIN_CROP = 32


class Discriminator(nn.Module):
    """Eight k3 convolutions from 64 to 512 maps, every other with stride 2, dense 1024, one logit.

    LeakyReLU 0.2 throughout, BatchNorm except on the first layer. Crops other than 96x96 are average-pooled to the
    dense layer's 6x6, so that any crop size works with the same 23.57 M parameters.
    Differs from the paper, which ends in a sigmoid: the loss takes logits, which is equivalent and more stable.

    Args:
        channels: Feature maps of the first layer; the paper's 64. The others grow with it.

    Raises:
        ValueError: If ``channels`` is below 1.
    """

    def __init__(self, *, channels: int = 64) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"Expected channels of 1 or more, got {channels}.")
        self.channels = channels
        self.features = strided_stages(_STAGES, channels=channels, kernel=3)
        self.classifier = nn.Sequential(
            _Pool(),
            nn.Flatten(),
            nn.Linear(_STAGES[-1][0] * channels * _POOLED_SIZE**2, _DENSE * channels),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(_DENSE * channels, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Judge images.

        Args:
            images: Float RGB in [0, 1], shape (N, 3, H, W), sides of 32 or more.

        Returns:
            Logits, shape (N, 1): above 0 means "real".

        Raises:
            ValueError: If ``images`` has another shape.
        """
        require_crops(images)
        logits: Tensor = self.classifier(self.features(images))
        return logits


def strided_stages(stages: Iterable[tuple[int, int]], *, channels: int, kernel: int) -> nn.Sequential:
    """Convolutions with padding 1, each followed by BatchNorm, but for the first, and by LeakyReLU 0.2.

    Args:
        stages: For each convolution, its feature maps as a multiple of ``channels``, and its stride.
        channels: Feature maps of the first.
        kernel: Side of the kernels.

    Returns:
        The layers, from images of shape (N, 3, H, W) to features.
    """
    layers: list[nn.Module] = []
    in_channels = 3
    for index, (multiple, stride) in enumerate(stages):
        first, out_channels = index == 0, multiple * channels
        layers.append(nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=1, bias=first))
        layers.extend([] if first else [BatchNorm(out_channels)])
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        in_channels = out_channels
    return nn.Sequential(*layers)


def require_crops(images: Tensor, *, multiple_of: int = 1) -> None:
    """Raise ValueError unless a discriminator with strides can judge images of this shape."""
    fit = all(side >= _MIN_CROP and side % multiple_of == 0 for side in images.shape[-2:])
    if images.ndim != 4 or images.shape[1] != 3 or not fit:
        sides = f"sides of {_MIN_CROP} or more" + (f", multiples of {multiple_of}" if multiple_of > 1 else "")
        raise ValueError(
            f"Expected images of shape (N, 3, H, W) with {sides}, got {tuple(images.shape)}."
            " Set data.hr_crop_size to match."
        )


class _Pool(nn.Module):
    """``nn.AdaptiveAvgPool2d(6)``, whose gradient on GPUs varies, so that deterministic training refuses it."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, C, 6, 6)."""
        if features.shape[-2:] == (_POOLED_SIZE, _POOLED_SIZE):
            return features
        rows, columns = (_windows(length, features) for length in features.shape[-2:])
        sums = rows @ features @ columns.T  # weights of 0 and 1, so that in half precision only the division rounds
        return sums / (rows.sum(1, keepdim=True) * columns.sum(1))


def _windows(length: int, like: Tensor) -> Tensor:
    """Which of ``length`` rows or columns each of the 6 windows covers: ones and zeros, shape (6, length)."""
    position = torch.arange(length, device=like.device)
    start = torch.arange(_POOLED_SIZE, device=like.device)[:, None] * length
    after = start + length + _POOLED_SIZE - 1  # rounded up
    return ((position >= start // _POOLED_SIZE) & (position < after // _POOLED_SIZE)).to(like)
