"""How low-resolution pictures are made from high-resolution ones."""

from torch import Tensor

from srgan.resize import downscale_pixels


def bicubic(hr: Tensor, scale: int) -> Tensor:
    """MATLAB-convention bicubic, clamped and rounded to 8 bit as the papers' LR files are.

    Args:
        hr: uint8, shape (3, scale * h, scale * w).
        scale: Factor.

    Returns:
        uint8, shape (3, h, w).
    """
    return downscale_pixels(hr, scale)
