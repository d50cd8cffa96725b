"""Tests of the generator's loss: the weighted sum, what each term reaches, and recipes that make no sense."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from srgan.losses import ContentLoss, GeneratorLoss, adversarial_loss, pixel_loss


@pytest.fixture(scope="module")
def content() -> ContentLoss:
    return ContentLoss(network="vgg16", layer="vgg11", weights="random")


@pytest.fixture
def sr() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def hr() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()


def _judge(sr: Tensor) -> Tensor:
    return sr.mean(dim=(1, 2, 3)).unsqueeze(1)  # (N, 1), a discriminator of sorts


def test_defaults_are_the_paper_s(content: ContentLoss) -> None:
    assert GeneratorLoss(content=content).weights == {"content": 1.0, "adversarial": 1e-3, "pixel": 0.0, "colour": 0.0}


def test_terms_are_unweighted_and_named(content: ContentLoss, sr: Tensor, hr: Tensor) -> None:
    loss = GeneratorLoss(content=content, content_weight=7, adversarial_weight=5, pixel_weight=3, pixel_criterion="l1")
    terms = loss.terms(sr, hr, _judge(sr))
    assert list(terms) == ["content_loss", "adversarial_loss", "pixel_loss"]
    assert torch.equal(terms["content_loss"], content(sr, hr))
    assert torch.equal(terms["adversarial_loss"], adversarial_loss(_judge(sr)))
    assert torch.equal(terms["pixel_loss"], pixel_loss(sr, hr, criterion="l1"))
    assert torch.equal(loss.pixel(sr, hr), terms["pixel_loss"])


@pytest.mark.parametrize(("ramp", "expected"), [(1.0, 2 * 10 + 0.5 * 8 + 3 * 4), (0.25, 2 * 10 + 0.125 * 8 + 3 * 4)])
def test_total_is_the_weighted_sum_with_a_ramp_on_adversarial(
    content: ContentLoss, ramp: float, expected: float
) -> None:
    loss = GeneratorLoss(content=content, content_weight=2, adversarial_weight=0.5, pixel_weight=3)
    terms = {"content_loss": 10.0, "adversarial_loss": 8.0, "pixel_loss": 4.0}
    total = loss.total({name: torch.tensor(value) for name, value in terms.items()}, adversarial_ramp=ramp)
    assert total.item() == pytest.approx(expected)


def test_colour_weighs_where_it_is_asked_for() -> None:
    sr, hr = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    loss = GeneratorLoss(content=None, content_weight=0, adversarial_weight=0, pixel_weight=1, colour_weight=3)
    terms = loss.terms(sr, hr, None)
    torch.testing.assert_close(loss.total(terms), terms["pixel_loss"] + 3 * terms["colour_loss"])


@pytest.mark.parametrize("term", ["content_loss", "adversarial_loss", "pixel_loss"])
def test_every_term_reaches_every_picture_of_sr(content: ContentLoss, sr: Tensor, hr: Tensor, term: str) -> None:
    loss = GeneratorLoss(content=content, pixel_weight=1)
    terms = loss.terms(sr, hr, _judge(sr))
    (gradient,) = torch.autograd.grad(terms[term], sr)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1) != 0).any(dim=1).all()


def test_hr_gets_no_gradient_from_the_paper_s_loss(content: ContentLoss, sr: Tensor, hr: Tensor) -> None:
    loss = GeneratorLoss(content=content)
    total = loss.total(loss.terms(sr, hr, _judge(sr)))
    for_sr, for_hr = torch.autograd.grad(total, (sr, hr), allow_unused=True)
    assert for_sr.any()
    assert for_hr is None


def test_terms_that_do_not_weigh_cost_nothing(content: ContentLoss, sr: Tensor, hr: Tensor) -> None:
    pixels = GeneratorLoss(content=content, content_weight=0, adversarial_weight=0, pixel_weight=1)
    assert pixels.content is None
    assert not pixels.needs_discriminator
    assert list(pixels.terms(sr, hr, None)) == ["pixel_loss"]
    assert GeneratorLoss(content=content).needs_discriminator
    watched = GeneratorLoss(content=content).terms(sr, hr, _judge(sr))["pixel_loss"]
    assert not watched.requires_grad  # there to be logged alone


def test_no_vgg_weights_are_in_its_state(content: ContentLoss) -> None:
    assert not GeneratorLoss(content=content).state_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"content_weight": 1.0}, "Expected content_weight 0 without a content loss, got 1.0"),
        ({"content_weight": 0, "adversarial_weight": 0}, "Expected at least one loss weight above 0, got none"),
        ({"content_weight": 0, "adversarial_weight": -1e-3}, "Expected adversarial_weight .* 0 or more, got -0.001"),
        ({"content_weight": 0, "pixel_weight": "1"}, "Expected pixel_weight to be a number .*, got '1'"),
        ({"content_weight": 0, "pixel_weight": None}, "Expected pixel_weight to be a number .*, got None"),
        ({"content_weight": 0, "pixel_weight": math.nan}, "Expected pixel_weight to be a number .*, got nan"),
        ({"content_weight": 0, "pixel_weight": math.inf}, "Expected pixel_weight to be a number .*, got inf"),
        ({"content_weight": 0, "pixel_criterion": "huber"}, "Expected pixel_criterion to be one of .*, got 'huber'"),
    ],
)
def test_recipes_that_make_no_sense_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratorLoss(content=None, **options)
