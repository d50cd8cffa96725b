"""Tests of folding: the same pictures come out, whatever the statistics that BatchNorm has gathered."""

import pytest
import torch
from torch import nn

from srgan.networks import Generator
from srgan.networks.folding import fold_batchnorm


def trained_looking(**options: object) -> Generator:
    """A generator whose BatchNorm layers have statistics and parameters unlike those of a fresh one."""
    torch.manual_seed(0)
    generator = Generator(**{"num_blocks": 2, "channels": 8, "norm": "batch", **options})  # type: ignore[arg-type]
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor, low, high in (
                (module.running_mean, -1.0, 1.0),
                (module.running_var, 0.2, 3.0),
                (module.weight.data, 0.5, 2.0),
                (module.bias.data, -1.0, 1.0),
            ):
                tensor.uniform_(low, high)
    return generator.eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (17, 13)])
@pytest.mark.parametrize("options", [{}, {"scale": 2}, {"scale": 8}, {"global_skip": "bicubic"}])
def test_a_folded_network_gives_the_same_picture(size: tuple[int, int], options: dict[str, object]) -> None:
    generator, lr = trained_looking(**options), torch.rand(2, 3, *size)
    folded = fold_batchnorm(generator)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(lr), generator(lr), rtol=1e-4, atol=1e-4)


def test_the_network_itself_stays_as_it_is() -> None:
    generator = trained_looking()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    fold_batchnorm(generator)
    torch.testing.assert_close(generator.state_dict(), before, rtol=0, atol=0)


def test_a_network_without_batchnorm_is_returned_as_it_is() -> None:
    generator = Generator(num_blocks=1, channels=4, norm="none").eval()
    assert fold_batchnorm(generator) is generator


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in evaluation mode: call generator\.eval\(\) first"):
        fold_batchnorm(Generator(num_blocks=1, channels=4))
