"""PatchGAN: each logit judges a patch of 70 x 70 pixels (Isola et al. 2017, arXiv:1611.07004, §3.2.2)."""

from torch import Tensor, nn

from srgan.networks.discriminator import require_crops, strided_stages

_STAGES = ((1, 2), (2, 2), (4, 2), (8, 1))  # (multiple of `channels`, stride)
_KERNEL = 4


class PatchDiscriminator(nn.Module):
    """Three k4s2 convolutions and two of stride 1, LeakyReLU 0.2, BatchNorm except on the first and last layer.

    It sees no whole images, only texture, which is what the generator has to get right; and it is cheap: a tenth of the
    paper's discriminator.

    Args:
        channels: Feature maps of the first layer; pix2pix's 64. The others grow with it.

    Raises:
        ValueError: If ``channels`` is below 1.
    """

    def __init__(self, *, channels: int = 64) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"Expected channels of 1 or more, got {channels}.")
        self.channels = channels
        self.features = strided_stages(_STAGES, channels=channels, kernel=_KERNEL)
        self.classifier = nn.Conv2d(_STAGES[-1][0] * channels, 1, _KERNEL, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Judge images as ``Discriminator`` does, but each patch: logits of shape (N, 1, H // 8 - 2, W // 8 - 2)."""
        require_crops(images)
        logits: Tensor = self.classifier(self.features(images))
        return logits
