"""The two sides of the adversarial game, on logits, and a penalty that keeps the discriminator smooth.

References: vanilla, Ledig et al. 2017, arXiv:1609.04802, §2.2.2; relativistic average, Jolicoeur-Martineau 2018,
arXiv:1807.00734, as in ESRGAN; least squares, Mao et al. 2017, arXiv:1611.04076; hinge, Lim and Ye 2017,
arXiv:1705.02894; R1, Mescheder et al. 2018, arXiv:1801.04406.
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu

Gan: TypeAlias = Literal["vanilla", "relativistic", "lsgan", "hinge"]


def check_gan(gan: str) -> None:
    """Raise ValueError unless there is a GAN loss of that name."""
    if gan not in get_args(Gan):
        raise ValueError(f"Expected gan to be one of {', '.join(get_args(Gan))}, got {gan!r}.")


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, *, gan: Gan = "vanilla") -> Tensor:
    """How far the discriminator's verdicts are from real = 1, fake = 0.

    Args:
        real_logits: D(hr), shape (N, 1), or (N, 1, h, w) of a judge of parts.
        fake_logits: D(sr), same shape.
        gan: Binary cross-entropy of each verdict (``vanilla``) or of its distance from the mean verdict on the others
            (``relativistic``), squares (``lsgan``), or what a margin of 1 lacks (``hinge``).

    Returns:
        Scalar: the mean over the real images plus the mean over the fake ones (when undecided 2 ln 2 = 1.386 for
        cross-entropy, 0.5 for verdicts of 0.5 by squares, 2 for the hinge).
    """
    if gan == "relativistic":
        real_logits, fake_logits = real_logits - fake_logits.mean(), fake_logits - real_logits.mean()
    if gan == "lsgan":
        return (real_logits - 1).square().mean() + fake_logits.square().mean()
    if gan == "hinge":
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()
    real = binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake = binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return real + fake


def adversarial_loss(fake_logits: Tensor, real_logits: Tensor | None = None, *, gan: Gan = "vanilla") -> Tensor:
    """How far the discriminator's verdicts on fakes are from passing as real.

    Args:
        fake_logits: D(sr), as above.
        real_logits: D(hr), which ``relativistic`` alone looks at, and needs.
        gan: As above.

    Returns:
        Scalar, the mean over the batch (ln 2 = 0.693 when undecided by cross-entropy).
    """
    if gan == "relativistic":
        assert real_logits is not None, "the relativistic loss compares with verdicts on real images"
        return discriminator_loss(fake_logits, real_logits, gan=gan) / 2
    if gan == "lsgan":
        return (fake_logits - 1).square().mean()
    if gan == "hinge":
        return -fake_logits.mean()
    return binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def r1_penalty(real_logits: Tensor, hr: Tensor) -> Tensor:
    """Half the squared gradient of the verdicts on real images by these images.

    Args:
        real_logits: D(hr), computed with a gradient.
        hr: The images, shape (N, 3, H, W), that require a gradient.

    Returns:
        Scalar, the mean over the images of the sum over each image's values.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), hr, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean() / 2
