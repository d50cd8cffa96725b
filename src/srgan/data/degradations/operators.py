"""What degrades an image: blur, noise and JPEG.

One image at a time, since each has its own settings and soon its own size; float RGB in [0, 1], on any device. Only
JPEG takes several.
"""

from collections.abc import Sequence
from io import BytesIO
from itertools import count

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srgan.pictures.resize import mirror_pad
from srgan.pictures.rgb import to_float, to_uint8


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve an image with a kernel, mirrored at the borders.

    By Fourier transforms: for a kernel of 21 pixels, on CPUs 2 to 18 times as fast as sums.

    Args:
        image: Shape (1, 3, H, W).
        kernel: Shape (size, size), of odd size.

    Returns:
        Shape (1, 3, H, W), not clamped: a sinc overshoots.
    """
    height, width = image.shape[-2:]
    margin = kernel.shape[-1] // 2
    outwards = mirror_pad(image, margin)
    size = [_fast_length(side) for side in outwards.shape[-2:]]
    spectrum = torch.fft.rfft2(outwards, s=size) * torch.fft.rfft2(on_device_of(image, kernel.to(image.dtype)), s=size)
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)  # wraps around only in the margin, which is cut off
    return blurred[..., 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]


def gaussian_noise(image: Tensor, sigma: float, *, gray: bool, generator: torch.Generator) -> Tensor:
    """Add normal noise, clamped to [0, 1].

    Args:
        image: Shape (1, 3, H, W).
        sigma: Standard deviation, on the scale of [0, 1].
        gray: The same noise in all channels.
        generator: On the image's device.
    """
    noise = torch.empty_like(image[:, :1] if gray else image).normal_(generator=generator)
    return (image + sigma * noise).clamp(0, 1)


def poisson_noise(image: Tensor, weight: float, *, gray: bool, generator: torch.Generator) -> Tensor:
    """Add photon noise, whose variance is proportional to brightness, clamped to [0, 1].

    As in Real-ESRGAN's implementation, white is as many photons as the 8-bit image has levels in use, rounded up to a
    power of 2 (256 for most), and the noise is then weighted.

    Args:
        image: Shape (1, 3, H, W).
        weight: Factor on the noise.
        gray: The noise of the gray image in all channels.
        generator: On the image's device.
    """
    from kornia.color import rgb_to_grayscale  # half a second, which most recipes need not wait for

    seen = rgb_to_grayscale(image) if gray else image
    levels = (seen.clamp(0, 1) * 255).round()
    used = torch.zeros(256, device=image.device).scatter_(0, levels.flatten().long(), 1.0).sum()
    photons = 2 ** used.log2().ceil()
    expected = levels / 255 * photons
    noise = (torch.poisson(expected, generator=generator) - expected) / photons
    return (image + weight * noise).clamp(0, 1)


def jpegs(images: Sequence[Tensor], qualities: Sequence[int]) -> list[Tensor]:
    """Compress images as JPEG and decode them again.

    By Pillow on the CPU, for images on any device: the result is that of files, and several times as fast as a codec of
    tensor operators. The images are moved there and back all at once, since a device waits for each move.

    Args:
        images: All on one device, shape (1, 3, H, W) each, of any sizes.
        qualities: libjpeg's, from 1 to 100.

    Returns:
        The same shapes.
    """
    sizes = [image.numel() for image in images]
    pixels = torch.cat([to_uint8(image[0]).permute(1, 2, 0).flatten() for image in images]).cpu()
    coded = []
    for image, values, quality in zip(images, torch.split(pixels, sizes), qualities, strict=True):
        height, width = image.shape[-2:]
        file = BytesIO()
        Image.fromarray(values.view(height, width, 3).numpy()).save(file, format="JPEG", quality=quality)
        with Image.open(file) as opened:
            coded.append(torch.from_numpy(np.array(opened)).flatten())
    back = torch.split(on_device_of(images[0], torch.cat(coded)), sizes)
    return [
        to_float(values.view(*image.shape[-2:], 3).permute(2, 0, 1)).unsqueeze(0)
        for image, values in zip(images, back, strict=True)
    ]


def on_device_of(image: Tensor, values: Tensor) -> Tensor:
    """Move values from the CPU to an image's device without waiting, except on MPS, where torch does so unsafely."""
    return values.to(image.device, non_blocking=image.device.type != "mps")


def _fast_length(length: int) -> int:
    """The next length without prime factors above 5, for which transforms are fast."""
    return next(each for each in count(length) if pow(30, 64, each) == 0)  # such a length divides 30^64
