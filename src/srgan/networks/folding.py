"""BatchNorm folded into the convolutions before it: in evaluation it is a constant scale and shift."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from srgan.networks.blocks import ConvNorm
from srgan.networks.generator import Generator


def fold_batchnorm(generator: Generator) -> Generator:
    """The same function without BatchNorm layers, for inference.

    Args:
        generator: A network in evaluation mode; not changed.

    Returns:
        A generator with ``norm="none"`` whose outputs equal those of ``generator`` up to rounding; ``generator``
        itself if there is nothing to fold.

    Raises:
        ValueError: If the generator is in training mode, where BatchNorm depends on each batch.
    """
    if generator.training:
        raise ValueError("Expected a generator in evaluation mode: call generator.eval() first.")
    if generator.norm == "none":
        return generator
    folded = Generator(**{**generator.config, "norm": "none"})
    # The layers of both have the same names, except for the convolutions with BatchNorm.
    state = {name: value for name, value in generator.state_dict().items() if name in folded.state_dict()}
    for name, module in generator.named_modules():
        if isinstance(module, ConvNorm):
            conv, norm = module
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            fused = fuse_conv_bn_eval(conv, norm)
            state[f"{name}.0.weight"], state[f"{name}.0.bias"] = fused.weight, fused.bias
    parameter = next(generator.parameters())
    with torch.no_grad():
        folded.load_state_dict(state)
    return folded.to(parameter.device, parameter.dtype).eval()
