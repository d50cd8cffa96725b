"""A U-Net that judges each pixel: real or generated? (Wang et al. 2021, Real-ESRGAN, arXiv:2107.10833, §3.3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from srgan.networks.discriminator import require_crops

_STRIDE = 8  # of the deepest features


class UNetDiscriminator(nn.Module):
    """Three k4s2 convolutions down, three k3 convolutions up with skip sums, one logit per pixel.

    Spectral norm (Miyato et al. 2018, arXiv:1802.05957) on all but the first and last layer keeps it from
    winning; LeakyReLU 0.2 throughout. A logit for each pixel shows the generator where it was caught, which a single
    logit does not. The layers and their names are those of Real-ESRGAN's published discriminator.

    Args:
        channels: Feature maps of the first layer; Real-ESRGAN's 64. The others grow with it.

    Raises:
        ValueError: If ``channels`` is below 1.
    """

    def __init__(self, *, channels: int = 64) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"Expected channels of 1 or more, got {channels}.")
        self.channels = channels
        self.conv0 = nn.Conv2d(3, channels, 3, padding=1)
        self.conv1 = _down(channels)
        self.conv2 = _down(2 * channels)
        self.conv3 = _down(4 * channels)
        self.conv4 = _same(8 * channels, 4 * channels)
        self.conv5 = _same(4 * channels, 2 * channels)
        self.conv6 = _same(2 * channels, channels)
        self.conv7 = _same(channels, channels)
        self.conv8 = _same(channels, channels)
        self.conv9 = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Judge images, sides multiples of 8, as ``Discriminator`` does, but each pixel: logits (N, 1, H, W)."""
        require_crops(images, multiple_of=_STRIDE)
        full = _activate(self.conv0(images))  # (N, C, H, W)
        half = _activate(self.conv1(full))  # (N, 2C, H/2, W/2)
        quarter = _activate(self.conv2(half))  # (N, 4C, H/4, W/4)
        eighth = _activate(self.conv3(quarter))  # (N, 8C, H/8, W/8)
        quarter = _activate(self.conv4(_doubled(eighth))) + quarter
        half = _activate(self.conv5(_doubled(quarter))) + half
        full = _activate(self.conv6(_doubled(half))) + full
        logits: Tensor = self.conv9(_activate(self.conv8(_activate(self.conv7(full)))))
        return logits


def _down(channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False))


def _same(in_channels: int, out_channels: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False))


def _activate(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, 0.2)


def _doubled(features: Tensor) -> Tensor:
    """Twice as high and wide, as ``interpolate`` in its bilinear mode makes it.

    That mode's gradient on GPUs adds up in any order; that of these sums and slices does not.
    """
    return _doubled_along(_doubled_along(features, -2), -1)


def _doubled_along(features: Tensor, dim: int) -> Tensor:
    # New positions are a quarter off the old ones: 3/4 of the nearest and 1/4 of the next, which the edge lacks.
    length = features.shape[dim]
    before = torch.cat([features.narrow(dim, 0, 1), features.narrow(dim, 0, length - 1)], dim)
    after = torch.cat([features.narrow(dim, 1, length - 1), features.narrow(dim, length - 1, 1)], dim)
    pairs = torch.stack([features.lerp(before, 0.25), features.lerp(after, 0.25)], dim=dim)
    return pairs.flatten(dim - 1, dim)
