"""The two sides of the adversarial game, on logits (Ledig et al. 2017, arXiv:1609.04802, §2.1 and §2.2.2)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator's verdicts: real = 1, fake = 0.

    Args:
        real_logits: D(hr), shape (N, 1).
        fake_logits: D(sr), shape (N, 1).

    Returns:
        Scalar: the mean over the real images plus the mean over the fake ones (2 ln 2 = 1.386 when undecided).
    """
    real = binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake = binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return real + fake


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator's verdicts on fakes, labelled 1: how far they are from passing as real.

    Args:
        fake_logits: D(sr), shape (N, 1).

    Returns:
        Scalar, the mean over the batch (ln 2 = 0.693 when undecided).
    """
    return binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))
