"""SRVGGNetCompact of Real-ESRGAN: plain convolutions at the input's size, under BasicSR's names of tensors.

Reference: Wang et al., https://github.com/xinntao/Real-ESRGAN (realesr-general-x4v3).
"""

from torch import Tensor, nn
from torch.nn import functional

from srgan.networks.adapted import Adapted
from srgan.networks.any_generator import SIXTEEN_BITS
from srgan.networks.blocks import icnr_

_GAIN = 0.1  # of the last convolution, so that training starts close to the enlarged input


def compact(*, scale: int = 4, num_blocks: int = 16, channels: int = 64) -> Adapted:
    """Real-ESRGAN's small generator; plain spandrel and BasicSR load its tensors.

    Args:
        scale: How many times larger the output is: 1, 2, 3, 4 or 8.
        num_blocks: Convolutions, each with a PReLU, between the first and the last: 16, or 32 as in
            realesr-general-x4v3.
        channels: Feature maps.

    Raises:
        ValueError: If a number is none of these.
    """
    if scale not in (1, 2, 3, 4, 8):
        raise ValueError(f"Expected scale to be 1, 2, 3, 4 or 8, got {scale!r}.")
    if num_blocks < 1 or channels < 1:
        raise ValueError(f"Expected num_blocks and channels of 1 or more, got {num_blocks} and {channels}.")
    network = SRVGGNetCompact(scale=scale, num_blocks=num_blocks, channels=channels)
    tags = (f"{channels}nf", f"{num_blocks}nc")
    return Adapted(network, architecture="Compact", tags=tags, scale=scale, sixteen_bit_types=SIXTEEN_BITS)


class SRVGGNetCompact(nn.Module):
    """The network; arguments as above."""

    def __init__(self, *, scale: int, num_blocks: int, channels: int) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.PReLU(channels))
        for _ in range(num_blocks):
            self.body.extend([nn.Conv2d(channels, channels, 3, padding=1), nn.PReLU(channels)])
        last = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        nn.init.kaiming_normal_(last.weight)
        last.weight.data.mul_(_GAIN)
        icnr_(last, scale)
        self.body.append(last)

    def forward(self, lr: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, scale * h, scale * w)."""
        detail = functional.pixel_shuffle(self.body(lr), self.scale)
        base = functional.interpolate(lr, scale_factor=self.scale, mode="nearest")
        sr: Tensor = detail + base
        return sr
