"""Finds the kernel that made LR from HR, by trying the usual ones."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from srgan.pictures.resize import downscale

MATLAB = "matlab_bicubic"
UNKNOWN = "unknown"
_ROUNDING = 0.1  # levels: two kernels that both fit this well cannot be told apart
_CLEARLY_BETTER = 0.7  # than MATLAB's error: on smooth photos all kernels nearly agree
_FITS = 2.0  # levels: light compression may add this much, and the kernel can still be told


def candidates(hr: Tensor, scale: int) -> dict[str, Tensor]:
    """One channel of HR, downscaled by each kernel.

    Args:
        hr: uint8, shape (H, W), sides multiples of the scale.
        scale: Factor.

    Returns:
        By name, the LR channel in levels as an 8-bit file would hold it: float, shape (H / scale, W / scale).
    """
    image = hr[None, None].float()
    size = (hr.shape[0] // scale, hr.shape[1] // scale)
    middle = scale // 2
    made = {
        MATLAB: downscale(image, scale),
        # OpenCV's bicubic has a = -0.75 and 4x4 pixels, like torch's without antialiasing.
        "opencv_bicubic": interpolate(image, size, mode="bicubic", antialias=False),
        "area": avg_pool2d(image, scale),
        "bilinear": interpolate(image, size, mode="bilinear", antialias=False),
        "nearest": image[..., ::scale, ::scale],  # OpenCV's, which is shifted by (scale - 1) / 2 HR pixels
        "nearest_centre": image[..., middle::scale, middle::scale],  # Pillow's
    }
    for name in ("bicubic", "bilinear", "lanczos"):
        made[f"pillow_{name}"] = _pillow(hr, size, Image.Resampling[name.upper()])
    return {name: each.clamp(0, 255).round().reshape(size) for name, each in made.items()}


def kernel_errors(lr: Tensor, hr: Tensor, scale: int, *, margin: int) -> dict[str, float]:
    """The error of each kernel's result against LR.

    Args:
        lr: One channel in levels, float, shape (h, w).
        hr: uint8, shape (scale * h, scale * w).
        scale: Factor.
        margin: LR pixels to ignore at the borders.

    Returns:
        By kernel, the root mean square difference in levels.
    """
    inside = slice(margin, -margin or None)
    return {name: rms(made[inside, inside] - lr[inside, inside]) for name, made in candidates(hr, scale).items()}


def name_kernel(errors: dict[str, float]) -> str:
    """The closest kernel, or MATLAB's unless another is clearly closer; ``unknown`` if none is close."""
    best = min(errors, key=errors.__getitem__)
    if errors[best] > _FITS:
        return UNKNOWN
    return best if max(errors[best], _ROUNDING) < _CLEARLY_BETTER * errors[MATLAB] else MATLAB


def rms(difference: Tensor) -> float:
    """Root mean square."""
    return float(difference.square().mean().sqrt())


def _pillow(hr: Tensor, size: tuple[int, int], resample: Image.Resampling) -> Tensor:
    """Pillow's own resize, since it rounds to 8 bits between its two passes."""
    small = Image.fromarray(np.ascontiguousarray(hr.numpy())).resize(size[::-1], resample)
    return torch.from_numpy(np.array(small)).float()
