"""Checks of single photos: unreadable, too small, enlarged before."""

from pathlib import Path

from kornia.color import rgb_to_grayscale
from torch import Tensor

from srgan.data.doctor.enlargement import find_enlargement
from srgan.data.doctor.findings import Finding
from srgan.pictures.errors import ImageReadError
from srgan.pictures.rgb import read_rgb8


def read_or_finding(path: Path) -> Tensor | Finding:
    """Read a photo, uint8 of shape (3, H, W), or say why it cannot be read."""
    try:
        return read_rgb8(path)
    except ImageReadError as error:
        name = "truncated" if "truncated" in str(error) else "unreadable"
        reason = str(error).removeprefix(f"Cannot read {path}: ").removesuffix(". Replace or remove it.")
        return Finding(name, str(path), reason)


def photo_findings(hr: Tensor, *, min_size: int, file: str) -> list[Finding]:
    """Check one photo.

    Args:
        hr: uint8, shape (3, H, W).
        min_size: Smallest usable side in pixels.
        file: Its path, for the findings.
    """
    height, width = hr.shape[1:]
    if min(height, width) < min_size:
        amount = f"{width}x{height}, needed {min_size}x{min_size}"
        return [Finding("too_small", file, amount, {"width": width, "height": height, "needed": min_size})]
    factor = find_enlargement(luma(hr))
    if factor is None:
        return []
    return [Finding("upscaled", file, f"about x{factor:g}", {"factor": factor})]


def luma(image: Tensor) -> Tensor:
    """Luma in levels, float, shape (H, W), of a uint8 image (3, H, W)."""
    gray: Tensor = rgb_to_grayscale(image.float())[0]
    return gray
