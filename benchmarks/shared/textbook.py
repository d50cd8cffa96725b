"""The textbook SRGAN: networks and training step written plainly, the way most repositories have them.

The reference that the project's speed is held against. It has the same layers and the same order of parameters, so
that weights can be copied over, but none of the project's rewrites: the 9x9 convolution runs at full resolution, the
generator runs once for each phase, the discriminator's gradients are computed in the generator's phase and thrown
away, hr goes through VGG like sr, memory is NCHW, and Adam has its default settings.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from srgan.pictures.resize import upscale as bicubic

_DECAY = 0.999  # of the well-written loop's moving average


class ResidualBlock(nn.Module):
    """Convolution, BatchNorm, PReLU, convolution, BatchNorm, and the sum with the input."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        bias = norm == "none"
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.bn1 = nn.Identity() if bias else nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.bn2 = nn.Identity() if bias else nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same."""
        residual: Tensor = self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))
        return x + residual


class TextbookGenerator(nn.Module):
    """SRResNet; its arguments are a ``srgan.networks.Generator``'s ``config``."""

    def __init__(self, *, scale: int, num_blocks: int, channels: int, norm: str, global_skip: str) -> None:
        super().__init__()
        self.scale, self.global_skip = scale, global_skip
        self.block1 = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(channels, norm) for _ in range(num_blocks)))
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=norm == "none")
        self.bn2 = nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()
        upsampling: list[nn.Module] = []
        for _ in range(scale.bit_length() - 1):
            upsampling += [nn.Conv2d(channels, channels * 4, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.upsampling = nn.Sequential(*upsampling)
        self.conv3 = nn.Conv2d(channels, 3, 9, padding=4)

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, h, w) to (N, 3, scale * h, scale * w)."""
        out1 = self.block1(lr)
        out = out1 + self.bn2(self.conv2(self.blocks(out1)))
        sr: Tensor = self.conv3(self.upsampling(out))
        return sr + bicubic(lr, self.scale) if self.global_skip == "bicubic" else sr


class TextbookDiscriminator(nn.Module):
    """Eight convolutions, two dense layers, one logit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for out, stride in [(1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)]:
            layers += [
                nn.Conv2d(width, out * channels, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out * channels),
                nn.LeakyReLU(0.2),
            ]
            width = out * channels
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(6)
        self.fc1 = nn.Linear(width * 6 * 6, 16 * channels)
        self.fc2 = nn.Linear(16 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 1)."""
        x = self.pool(self.features(x)).flatten(1)
        logits: Tensor = self.fc2(functional.leaky_relu(self.fc1(x), 0.2))
        return logits


class TextbookTraining(nn.Module):
    """Both networks, the frozen VGG, both optimizers, and the step.

    Args:
        generator: The generator.
        discriminator: The discriminator.
        vgg: Features of VGG up to the layer that is compared, frozen.
        feature_scale: Factor on the features.
        adversarial_weight: Weight of the adversarial loss.
        learning_rate: Adam's.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        vgg: nn.Module,
        *,
        feature_scale: float,
        adversarial_weight: float,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.generator, self.discriminator, self.vgg = generator, discriminator, vgg
        self.feature_scale, self.adversarial_weight = feature_scale, adversarial_weight
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.optimizer_g = torch.optim.Adam(generator.parameters(), lr=learning_rate)
        self.optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=learning_rate)

    def features(self, images: Tensor) -> Tensor:
        """Scaled VGG features."""
        features: Tensor = self.vgg((images - self.mean) / self.std) * self.feature_scale
        return features

    def step(self, lr: Tensor, hr: Tensor) -> None:
        """One batch: the discriminator's update, then the generator's."""
        real, fake = torch.ones(len(lr), 1).to(lr), torch.zeros(len(lr), 1).to(lr)
        bce = functional.binary_cross_entropy_with_logits

        self.optimizer_d.zero_grad()
        sr = self.generator(lr)
        d_loss = bce(self.discriminator(hr), real) + bce(self.discriminator(sr.detach()), fake)
        d_loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        sr = self.generator(lr)
        content_loss = functional.mse_loss(self.features(sr), self.features(hr))
        adversarial_loss = bce(self.discriminator(sr), real)
        g_loss = content_loss + self.adversarial_weight * adversarial_loss
        g_loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_g.step()


class WellWrittenTraining(TextbookTraining):
    """The step as a careful project writes it, such as BasicSR, without rewriting any layer.

    One pass of the generator serves both phases: its own comes first, with the discriminator frozen, then that of the
    discriminator on what was generated. hr goes through VGG without gradients, and the generator has a moving average.
    """

    def __init__(self, *arguments: nn.Module, **settings: float) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)

    def step(self, lr: Tensor, hr: Tensor) -> None:
        """One batch: the generator's update, then the discriminator's."""
        real, fake = torch.ones(len(lr), 1).to(lr), torch.zeros(len(lr), 1).to(lr)
        bce = functional.binary_cross_entropy_with_logits

        self.discriminator.requires_grad_(False)
        self.optimizer_g.zero_grad()
        sr = self.generator(lr)
        with torch.no_grad():
            hr_features = self.features(hr)
        content_loss = functional.mse_loss(self.features(sr), hr_features)
        g_loss = content_loss + self.adversarial_weight * bce(self.discriminator(sr), real)
        g_loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_g.step()

        self.discriminator.requires_grad_(True)
        self.optimizer_d.zero_grad()
        d_loss = bce(self.discriminator(hr), real) + bce(self.discriminator(sr.detach()), fake)
        d_loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer_d.step()
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(value, 1 - _DECAY)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy parameters and buffers in their order, whatever their names; shapes must agree."""
    values = source.state_dict().values()
    names = target.state_dict()
    target.load_state_dict({name: value.contiguous() for name, value in zip(names, values, strict=True)})
