"""How low-resolution pictures are made from high-resolution ones."""

from torch import Tensor

from srgan.images import to_float, to_uint8
from srgan.resize import downscale


def bicubic(hr: Tensor, scale: int) -> Tensor:
    """MATLAB-convention bicubic, clamped and rounded to 8 bit as the papers' LR files are.

    Args:
        hr: uint8, shape (3, scale * h, scale * w).
        scale: Factor.

    Returns:
        uint8, shape (3, h, w).
    """
    return to_uint8(downscale(to_float(hr).unsqueeze(0), scale)).squeeze(0)
