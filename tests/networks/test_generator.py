"""Tests of the generator: its size, the shapes it makes, what an output pixel depends on, and what it refuses."""

from typing import Any

import pytest
import torch

from srgan.networks import Generator
from srgan.pictures.resize import upscale

TINY: dict[str, Any] = {"num_blocks": 1, "channels": 4}


def test_the_paper_s_generator_has_its_1_547_350_parameters() -> None:
    assert sum(parameter.numel() for parameter in Generator().parameters()) == 1_547_350


def test_defaults_are_the_paper_s() -> None:
    paper = {"scale": 4, "num_blocks": 16, "channels": 64, "norm": "batch", "global_skip": "none"}
    assert Generator().config == paper


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 5), (17, 2), (24, 24)])
@pytest.mark.parametrize("global_skip", ["none", "bicubic"])
def test_output_is_exactly_scale_times_larger(scale: int, size: tuple[int, int], global_skip: Any) -> None:
    generator = Generator(scale=scale, global_skip=global_skip, **TINY).eval()
    with torch.no_grad():
        sr = generator(torch.rand(2, 3, *size))
    assert sr.shape == (2, 3, scale * size[0], scale * size[1])
    assert sr.isfinite().all()


def test_128_pixels_become_512() -> None:
    with torch.no_grad():
        assert Generator(**TINY).eval()(torch.rand(1, 3, 128, 128)).shape == (1, 3, 512, 512)


@pytest.mark.parametrize(("norm", "tolerance"), [("none", 0.01), ("batch", 0.3)])
def test_untrained_with_a_bicubic_skip_is_close_to_bicubic(norm: Any, tolerance: float) -> None:
    torch.manual_seed(0)
    lr = torch.rand(2, 3, 16, 16)
    sr = Generator(norm=norm, num_blocks=4, channels=16, global_skip="bicubic").train()(lr)
    assert (sr - upscale(lr, 4)).square().mean().sqrt() < tolerance


def test_untrained_has_no_checkerboard_before_the_last_layer() -> None:
    torch.manual_seed(0)
    generator = Generator(**TINY).eval()
    features = generator.tail.upscale(torch.rand(1, 4, 5, 6))
    subpixels = features.unflatten(-1, (6, 2)).unflatten(-3, (5, 2))  # (N, C, 5, 2, 6, 2)
    assert torch.equal(subpixels, subpixels[:, :, :, :1, :, :1].expand_as(subpixels))


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("num_blocks", "global_skip"), [(1, "none"), (3, "bicubic"), (16, "none")])
def test_receptive_radius_is_how_far_an_output_pixel_looks(scale: int, num_blocks: int, global_skip: Any) -> None:
    torch.manual_seed(0)
    generator = Generator(scale=scale, num_blocks=num_blocks, channels=4, global_skip=global_skip).double().eval()
    radius = generator.receptive_radius
    centre = radius + 3
    lr = torch.rand(1, 3, 2 * centre + 1, 3, dtype=torch.float64, requires_grad=True)
    subpixels = generator(lr)[..., scale * centre : scale * (centre + 1), scale]
    (gradient,) = torch.autograd.grad((subpixels * torch.randn_like(subpixels)).sum(), lr)
    distances = (gradient.abs().amax(dim=(0, 1, 3)).nonzero().flatten() - centre).abs()
    assert radius - 1 <= distances.max() <= radius


def test_a_pixel_beyond_the_receptive_radius_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = Generator(**TINY).double().eval()
    radius = generator.receptive_radius
    lr = torch.rand(1, 3, 5, 2 * radius + 9, dtype=torch.float64)
    perturbed = lr.clone()
    perturbed[..., 2, 0] += 10
    with torch.no_grad():
        change = (generator(perturbed) - generator(lr)).abs()
    assert change[..., 4 * (radius - 1) : 4 * radius].max() > 0
    assert change[..., 4 * (radius + 1) :].max() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 2, "num_blocks": 2, "channels": 6, "norm": "none", "global_skip": "bicubic"},
        {"scale": 8, "num_blocks": 1, "channels": 4, "norm": "batch", "global_skip": "none"},
    ],
)
def test_config_builds_the_same_architecture_again(options: dict[str, Any]) -> None:
    generator = Generator(**options)
    assert generator.config == options
    again = Generator(**generator.config)
    again.load_state_dict(generator.state_dict())
    lr = torch.rand(1, 3, 5, 4)
    assert torch.equal(again.eval()(lr), generator.eval()(lr))


def test_norm_none_has_no_batch_norm_and_no_batch_effects() -> None:
    generator = Generator(norm="none", **TINY)
    assert not [module for module in generator.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    lr = torch.rand(2, 3, 6, 6)
    torch.testing.assert_close(generator.train()(lr)[:1], generator.eval()(lr[:1]))


def test_every_parameter_gets_a_gradient() -> None:
    generator = Generator(**TINY)
    generator(torch.rand(2, 3, 6, 6)).square().mean().backward()
    without = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 3}, r"Expected scale to be one of 2, 4, 8, got 3"),
        ({"scale": 1}, r"Expected scale to be one of 2, 4, 8, got 1"),
        ({"norm": "instance"}, r"Expected norm to be one of batch, none, got 'instance'"),
        ({"norm": None}, r"Expected norm to be one of batch, none, got None"),
        ({"global_skip": "nearest"}, r"Expected global_skip to be one of none, bicubic, got 'nearest'"),
        ({"num_blocks": 0}, r"Expected num_blocks and channels of 1 or more, got 0 and 64"),
        ({"channels": -1}, r"Expected num_blocks and channels of 1 or more, got 16 and -1"),
    ],
)
def test_wrong_options_raise(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Generator(**options)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8), (1, 3, 8, 8, 1)])
def test_wrong_shapes_raise_and_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected lr of shape \(N, 3, h, w\), got \(" + str(shape)[1:-1]):
        Generator(**TINY)(torch.zeros(shape))
