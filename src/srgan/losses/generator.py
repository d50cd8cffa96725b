"""The generator's loss: the weighted sum that the paper calls perceptual loss. The only place that knows weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from srgan.losses.adversarial import Gan, adversarial_loss, check_gan, discriminator_loss, r1_penalty
from srgan.losses.content import ContentLoss
from srgan.losses.pixel import PixelCriterion, check_pixel_criterion, colour_loss, pixel_loss


class GeneratorLoss(nn.Module):
    """``content_weight`` x content + ``adversarial_weight`` x adversarial + ``pixel_weight`` x pixel loss.

    ``colour_weight`` adds the colour loss: a VGG and a discriminator alone let colours drift.

    Args:
        content: The content loss, or None for a recipe without one.
        content_weight: Unitless; the paper's 1.
        adversarial_weight: Unitless; the paper's 0.001, which presumes content features scaled by 1/12.75.
        pixel_weight: Unitless; 0 in the paper's adversarial phase.
        colour_weight: Unitless; 0 in the paper.
        pixel_criterion: What the pixel loss measures, in the adversarial phase and in pretraining, where it is the
            only loss.
        gan: The adversarial game: ``vanilla``, ``relativistic``, ``lsgan`` or ``hinge``.
        r1_weight: Of the penalty on the discriminator's gradient by real images; 0 is none.

    Raises:
        ValueError: If there is no such game, a weight is negative or not finite, a content weight has no content loss,
            all are 0, or the content loss is a dict of settings that name nothing to build.

    Reference: Ledig et al. 2017, arXiv:1609.04802, eq. 3.
    """

    def __init__(
        self,
        *,
        content: ContentLoss | None,
        content_weight: float = 1.0,
        adversarial_weight: float = 1e-3,
        pixel_weight: float = 0.0,
        colour_weight: float = 0.0,
        pixel_criterion: PixelCriterion = "mse",
        gan: Gan = "vanilla",
        r1_weight: float = 0.0,
    ) -> None:
        super().__init__()
        weights = {
            "content": content_weight,
            "adversarial": adversarial_weight,
            "pixel": pixel_weight,
            "colour": colour_weight,
        }
        for name, weight in {**weights, "r1": r1_weight}.items():
            if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise ValueError(f"Expected {name}_weight to be a number of 0 or more, got {weight!r}.")
        if isinstance(content, Mapping):
            raise ValueError(
                f"Expected loss.content to be built by an option of conf/loss, got only settings: {content}."
                " Choose an option that has a content loss (loss=srgan), or set loss.content=null for none."
            )
        if content is None and content_weight > 0:
            raise ValueError(f"Expected content_weight 0 without a content loss, got {content_weight}.")
        if not any(weights.values()):
            raise ValueError("Expected at least one loss weight above 0, got none.")
        check_pixel_criterion(pixel_criterion)
        check_gan(gan)
        self.gan, self.r1_weight = gan, r1_weight
        self.content = content if content_weight > 0 else None
        self.weights = weights
        self.pixel_criterion = pixel_criterion

    @property
    def needs_discriminator(self) -> bool:
        """Whether the adversarial loss has a weight above 0."""
        return self.weights["adversarial"] > 0

    @property
    def compares(self) -> bool:
        """Whether the adversarial loss looks at verdicts on real images, too."""
        return self.gan == "relativistic"

    def of_discriminator(self, real_logits: Tensor, fake_logits: Tensor, *, hr: Tensor) -> Tensor:
        """The discriminator's loss; with R1's penalty if ``hr``, which it then judged, requires a gradient."""
        loss = discriminator_loss(real_logits, fake_logits, gan=self.gan)
        return loss + self.r1_weight * r1_penalty(real_logits, hr) if hr.requires_grad else loss

    def pixel(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The pixel loss alone, unweighted: the only loss of pretraining."""
        return pixel_loss(sr, hr, criterion=self.pixel_criterion)

    def terms(
        self, sr: Tensor, hr: Tensor, fake_logits: Tensor | None, real_logits: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All terms in use, unweighted.

        Args:
            sr: The generator's output, float RGB around [0, 1], shape (N, 3, H, W).
            hr: Ground truth, float RGB in [0, 1], same shape.
            fake_logits: D(sr), shape (N, 1), or None if the adversarial loss has weight 0.
            real_logits: D(hr), which a game that ``compares`` needs.

        Returns:
            Scalars by name: ``pixel_loss``, and those of ``content_loss``, ``adversarial_loss`` and ``colour_loss``
            whose weight is above 0.
        """
        terms = {}
        if self.content is not None:
            terms["content_loss"] = self.content(sr, hr)
        if fake_logits is not None:
            terms["adversarial_loss"] = adversarial_loss(fake_logits, real_logits, gan=self.gan)
        if self.weights["colour"] > 0:
            terms["colour_loss"] = colour_loss(sr, hr)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.weights["pixel"] > 0):
            terms["pixel_loss"] = self.pixel(sr, hr)  # logged even if its weight is 0
        return terms

    def total(self, terms: dict[str, Tensor], *, adversarial_ramp: float = 1.0) -> Tensor:
        """The weighted sum of ``terms``.

        Args:
            terms: As ``terms()`` returns them.
            adversarial_ramp: Factor in [0, 1] on the adversarial weight, for a warm-up.

        Returns:
            Scalar.
        """
        weights = {**self.weights, "adversarial": self.weights["adversarial"] * adversarial_ramp}
        weighted = [weights[name.removesuffix("_loss")] * value for name, value in terms.items()]
        return weighted[0] + sum(weighted[1:])
