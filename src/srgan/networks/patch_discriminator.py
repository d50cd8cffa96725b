"""PatchGAN: each logit judges a patch of 70 x 70 pixels (Isola et al. 2017, arXiv:1611.07004, §3.2.2)."""

from torch import Tensor, nn

_STAGES = ((1, 2), (2, 2), (4, 2), (8, 1))  # (multiple of `channels`, stride)
_KERNEL = 4
_MIN_CROP = 32


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
        layers: list[nn.Module] = []
        in_channels = 3
        for index, (multiple, stride) in enumerate(_STAGES):
            first, out_channels = index == 0, multiple * channels
            layers.append(nn.Conv2d(in_channels, out_channels, _KERNEL, stride=stride, padding=1, bias=first))
            layers.extend([] if first else [nn.BatchNorm2d(out_channels)])
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            in_channels = out_channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(in_channels, 1, _KERNEL, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Judge images.

        Args:
            images: Float RGB in [0, 1], shape (N, 3, H, W), sides of 32 or more.

        Returns:
            Logits, shape (N, 1, H // 8 - 2, W // 8 - 2): above 0 means "real".

        Raises:
            ValueError: If ``images`` has another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < _MIN_CROP:
            raise ValueError(
                f"Expected images of shape (N, 3, H, W) with sides of {_MIN_CROP} or more, got {tuple(images.shape)}."
                " Use larger training crops (data.hr_crop_size)."
            )
        logits: Tensor = self.classifier(self.features(images))
        return logits
