"""How low-resolution pictures are made from high-resolution ones."""

import torch
from torch import Tensor

from srgan.resize import shrink_rows


def bicubic(hr: Tensor, scale: int) -> Tensor:
    """MATLAB-convention bicubic, clamped and rounded to 8 bit as the papers' LR files are.

    Args:
        hr: uint8, shape (3, scale * h, scale * w).
        scale: Factor.

    Returns:
        uint8, shape (3, h, w).
    """
    _, height, width = hr.shape
    # Colours innermost, as a decoded file has them, so that nothing is moved but what has been shrunk already.
    rows = shrink_rows(hr.permute(1, 2, 0).reshape(height, -1), scale).view(-1, width, 3)
    columns = shrink_rows(rows.transpose(0, 1).reshape(width, -1), scale).view(width // scale, -1, 3)
    return columns.permute(2, 1, 0).clamp(0, 255).round().to(torch.uint8).contiguous()
