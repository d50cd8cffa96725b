"""Tests of the adversarial losses: numbers by hand, and which way they pull."""

import math

import pytest
import torch

from srgan.losses import adversarial_loss, discriminator_loss
from srgan.losses.adversarial import Gan, r1_penalty


def _logits(*values: float) -> torch.Tensor:
    return torch.tensor(values).unsqueeze(1)


def test_an_undecided_verdict_costs_2_ln_2_and_ln_2() -> None:
    assert discriminator_loss(_logits(0.0, 0.0), _logits(0.0, 0.0)).item() == pytest.approx(2 * math.log(2))
    assert adversarial_loss(_logits(0.0, 0.0)).item() == pytest.approx(math.log(2))


def test_hand_computed_numbers() -> None:
    real, fake = _logits(2.0, -1.0), _logits(0.5, -3.0)
    on_real = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    on_fake = (math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(-3))) / 2
    fooling = (math.log(1 + math.exp(-0.5)) + math.log(1 + math.exp(3))) / 2
    assert discriminator_loss(real, fake).item() == pytest.approx(on_real + on_fake, rel=1e-6)
    assert adversarial_loss(fake).item() == pytest.approx(fooling, rel=1e-6)


def test_discriminator_and_generator_pull_in_opposite_directions() -> None:
    real, fake = _logits(0.3).requires_grad_(), _logits(-0.2).requires_grad_()
    on_real, on_fake = torch.autograd.grad(discriminator_loss(real, fake), (real, fake))
    (for_generator,) = torch.autograd.grad(adversarial_loss(fake), fake)
    assert on_real.item() < 0 < on_fake.item()
    assert for_generator.item() < 0


def test_a_sure_discriminator_leaves_finite_losses_and_gradients() -> None:
    fake = _logits(-200.0).requires_grad_()
    loss = adversarial_loss(fake)
    assert loss.item() == pytest.approx(200)
    assert torch.autograd.grad(loss, fake)[0].item() == pytest.approx(-1)
    assert discriminator_loss(_logits(200.0), _logits(-200.0)).item() == 0


@pytest.mark.parametrize(
    ("gan", "judged", "fooling"),
    [
        ("lsgan", (1.0 + 4.0) / 2 + (0.25 + 9.0) / 2, (0.25 + 16.0) / 2),
        ("hinge", (0.0 + 2.0) / 2 + (1.5 + 0.0) / 2, -(0.5 - 3.0) / 2),
    ],
)
def test_other_games_by_hand(gan: Gan, judged: float, fooling: float) -> None:
    real, fake = _logits(2.0, -1.0), _logits(0.5, -3.0)
    assert discriminator_loss(real, fake, gan=gan).item() == pytest.approx(judged)
    assert adversarial_loss(fake, gan=gan).item() == pytest.approx(fooling)


def test_the_relativistic_game_by_hand() -> None:
    real, fake = _logits(2.0, 0.0), _logits(-1.0, -1.0)
    judged = (math.log(1 + math.exp(-3)) + math.log(1 + math.exp(-1))) / 2 + math.log(1 + math.exp(-2))
    fooling = ((math.log(1 + math.exp(3)) + math.log(1 + math.exp(1))) / 2 + math.log(1 + math.exp(2))) / 2
    assert discriminator_loss(real, fake, gan="relativistic").item() == pytest.approx(judged)
    assert adversarial_loss(fake, real, gan="relativistic").item() == pytest.approx(fooling)


def test_r1_is_half_the_squared_gradient_of_an_image() -> None:
    hr = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert r1_penalty((3 * hr).sum(dim=(1, 2, 3)), hr).item() == pytest.approx(9 * 48 / 2)
