"""What spoils a picture: blur, noise and JPEG, each with settings of its own for each picture.

Pictures are float RGB in [0, 1], also here; of different sizes they come as a list. On any device.
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from kornia.color import rgb_to_grayscale
from kornia.filters import filter2d
from PIL import Image
from torch import Tensor

from srgan.images import to_float, to_uint8
from srgan.resize import mirror_pad


def blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Filter each picture with its kernel, mirrored outwards at the borders.

    Args:
        images: Shape (N, 3, H, W).
        kernels: Shape (N, size, size), of odd size; laid on without being turned around.

    Returns:
        Shape (N, 3, H, W), not clamped: a sinc overshoots.
    """
    outwards = mirror_pad(images, kernels.shape[-1] // 2)  # kornia's own mirroring needs pictures larger than kernels
    blurred: Tensor = filter2d(outwards, kernels.to(images), padding="valid")
    return blurred


def gaussian_noise(image: Tensor, sigma: float, *, grey: bool, generator: torch.Generator) -> Tensor:
    """Add normal noise, clamped to [0, 1].

    Args:
        image: Shape (1, 3, H, W).
        sigma: Deviation, on the scale of [0, 1].
        grey: The same noise in all channels.
        generator: On the picture's device.
    """
    noise = torch.empty_like(image[:, :1] if grey else image).normal_(generator=generator)
    return (image + sigma * noise).clamp(0, 1)


def poisson_noise(image: Tensor, weight: float, *, grey: bool, generator: torch.Generator) -> Tensor:
    """Add photon noise, whose variance goes with brightness, clamped to [0, 1].

    As Real-ESRGAN's implementation has it, white is as many photons as the 8-bit picture has levels in use, rounded up
    to a power of 2 (256 for most), and the noise is then weighted.

    Args:
        image: Shape (1, 3, H, W).
        weight: Factor on the noise.
        grey: The noise of the grey picture in all channels.
        generator: On the picture's device.
    """
    seen = rgb_to_grayscale(image) if grey else image
    levels = (seen.clamp(0, 1) * 255).round()
    used = torch.zeros(256, device=image.device).scatter_(0, levels.flatten().long(), 1.0).sum()
    photons = 2 ** used.log2().ceil()
    expected = levels / 255 * photons
    noise = (torch.poisson(expected, generator=generator) - expected) / photons
    return (image + weight * noise).clamp(0, 1)


def jpeg(images: Sequence[Tensor], qualities: Sequence[int]) -> list[Tensor]:
    """Compress pictures of any sizes as JPEG and open them again.

    By Pillow on the CPU, on whatever device the pictures are: what comes out is what files have, several times as fast
    as a codec made of tensor operators, and one copy each way carries all pictures.

    Args:
        images: Pictures of shape (1, 3, H, W) each.
        qualities: libjpeg's quality from 1 to 100 of each.

    Returns:
        Pictures of the same sizes.
    """
    if not images:
        return []
    levels = [to_uint8(image[0]).permute(1, 2, 0) for image in images]
    pixels = torch.cat([each.flatten() for each in levels]).cpu().split([each.numel() for each in levels])
    coded = [
        _coded(each.view(level.shape), quality).flatten()
        for each, level, quality in zip(pixels, levels, qualities, strict=True)
    ]
    opened = to_float(torch.cat(coded).to(images[0].device)).split([each.numel() for each in levels])
    return [each.view(level.shape).permute(2, 0, 1)[None] for each, level in zip(opened, levels, strict=True)]


def _coded(pixels: Tensor, quality: int) -> Tensor:
    """uint8 (H, W, 3) as a JPEG file gives it back."""
    file = BytesIO()
    Image.fromarray(pixels.numpy()).save(file, format="JPEG", quality=quality)
    with Image.open(file) as image:
        return torch.from_numpy(np.array(image))
