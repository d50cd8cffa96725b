"""What degrades images: blur, resizing, noise and JPEG.

Each image has its own settings and soon its own size, so these take lists of images, float RGB in [0, 1] of shape
(1, 3, H, W) each, all on one device, and give lists back. Images of equal shape and settings are computed together: on
a card, the host that launches each operation is what binds.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from srgan.pictures.resize import mirror_pad
from srgan.pictures.rgb import to_float, to_uint8


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise to add.

    Args:
        gaussian: Gaussian, else Poisson.
        gray: The same noise in all channels.
        strength: Gaussian: standard deviation, on the scale of [0, 1]. Poisson: factor on the noise.
        seed: Of the generator on the images' device.
    """

    gaussian: bool
    gray: bool
    strength: float
    seed: int


def blur(images: Sequence[Tensor], kernels: Sequence[Tensor]) -> list[Tensor]:
    """Convolve each image with its kernel, mirrored at the borders.

    By Fourier transforms: for a kernel of 21 pixels, on CPUs 2 to 18 times as fast as sums.

    Args:
        images: See above.
        kernels: Shape (size, size), of odd size, on the CPU. A size of 1 changes nothing.

    Returns:
        The same shapes, not clamped: a sinc overshoots.
    """

    def work(batch: Tensor, places: list[int]) -> Tensor:
        return blur_batch(batch, torch.stack([kernels[n] for n in places]))

    sizes = [kernel.shape[-1] for kernel in kernels]
    # On CPUs with several threads, transforms of several images have other last digits than those of each alone.
    alone = bool(images) and images[0].device.type == "cpu"
    return _together(work, images, [None if size == 1 else (size, n if alone else 0) for n, size in enumerate(sizes)])


def blur_batch(images: Tensor, kernels: Tensor) -> Tensor:
    """Likewise as one batch, images of shape (N, 3, H, W) by kernels of (N, size, size)."""
    height, width = images.shape[-2:]
    margin = kernels.shape[-1] // 2
    outwards = mirror_pad(images, margin)
    size = [_fast_length(side) for side in outwards.shape[-2:]]
    there = on_device_of(images, kernels.to(images.dtype)).unsqueeze(1)
    spectrum = torch.fft.rfft2(outwards, s=size) * torch.fft.rfft2(there, s=size)
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)  # wraps around only in the margin, which is cut off
    return blurred[..., 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]


def resize(images: Sequence[Tensor], sizes: Sequence[tuple[float, float]], modes: Sequence[str]) -> list[Tensor]:
    """Resize each image to its height and width, rounded down but at least 1, not antialiased.

    Args:
        images: See above.
        sizes: Heights and widths. An image's own changes nothing, in any mode.
        modes: ``area``, ``bilinear`` or ``bicubic``.
    """
    whole = [(max(1, int(height)), max(1, int(width))) for height, width in sizes]

    def work(batch: Tensor, places: list[int]) -> Tensor:
        return functional.interpolate(batch, size=whole[places[0]], mode=modes[places[0]])

    keys = [
        None if tuple(image.shape[-2:]) == size else (size, mode)
        for image, size, mode in zip(images, whole, modes, strict=True)
    ]
    return _together(work, images, keys)


def add_noise(images: Sequence[Tensor], noises: Sequence[Noise]) -> list[Tensor]:
    """Add its noise to each image, clamped to [0, 1]."""

    def work(batch: Tensor, places: list[int]) -> Tensor:
        drawn = [noises[n] for n in places]
        noise = _gaussian_noise(batch, drawn) if drawn[0].gaussian else _poisson_noise(batch, drawn)
        strengths = torch.tensor([each.strength for each in drawn], dtype=batch.dtype)
        return (batch + on_device_of(batch, strengths).view(-1, 1, 1, 1) * noise).clamp(0, 1)

    return _together(work, images, [(noise.gaussian, noise.gray) for noise in noises])


def _gaussian_noise(images: Tensor, noises: Sequence[Noise]) -> Tensor:
    noise = torch.empty_like(images[:, :1] if noises[0].gray else images)
    generator = torch.Generator(images.device)
    for each, drawn in zip(noise, noises, strict=True):
        each.normal_(generator=generator.manual_seed(drawn.seed))
    return noise


def _poisson_noise(images: Tensor, noises: Sequence[Noise]) -> Tensor:
    """Photon noise, whose variance is proportional to brightness; gray noise is that of the gray image.

    As in Real-ESRGAN's implementation, white is as many photons as the 8-bit image has levels in use, rounded up to a
    power of 2 (256 for most).
    """
    from kornia.color import rgb_to_grayscale  # half a second, which most recipes need not wait for

    seen = rgb_to_grayscale(images) if noises[0].gray else images
    levels = (seen.clamp(0, 1) * 255).round()
    used = torch.zeros(len(images), 256, device=images.device).scatter_(1, levels.flatten(1).long(), 1.0).sum(1)
    photons = (2 ** used.log2().ceil()).view(-1, 1, 1, 1)
    expected = levels / 255 * photons
    generator = torch.Generator(images.device)
    counted = [
        torch.poisson(each, generator=generator.manual_seed(drawn.seed))
        for each, drawn in zip(expected, noises, strict=True)
    ]
    return (torch.stack(counted) - expected) / photons


def jpegs(images: Sequence[Tensor], qualities: Sequence[int]) -> list[Tensor]:
    """Compress each image as JPEG and decode it again.

    By Pillow on the CPU, in as many threads as torch has, for images on any device: the result is that of files, and
    several times as fast as a codec of tensor operators. The images are moved there and back all at once, since a
    device waits for each move.

    Args:
        images: See above.
        qualities: libjpeg's, from 1 to 100.

    Returns:
        The same shapes.
    """
    if not images:
        return []
    sizes = [image.numel() for image in images]
    pixels = torch.split(to_uint8(torch.cat([image.flatten() for image in images])).cpu(), sizes)
    arrays = [
        values.view(image.shape[1:]).permute(1, 2, 0).numpy() for image, values in zip(images, pixels, strict=True)
    ]
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        coded = [torch.from_numpy(array).permute(2, 0, 1).flatten() for array in threads.map(_jpeg, arrays, qualities)]
    back = torch.split(to_float(on_device_of(images[0], torch.cat(coded))), sizes)
    return [values.view(image.shape) for image, values in zip(images, back, strict=True)]


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    with Image.open(file) as opened:
        return np.array(opened)  # a writable copy, as torch wants


def on_device_of(image: Tensor, values: Tensor) -> Tensor:
    """Move values from the CPU to an image's device without waiting, except on MPS, where torch does so unsafely."""
    return values.to(image.device, non_blocking=image.device.type != "mps")


def _together(
    work: Callable[[Tensor, list[int]], Tensor], images: Sequence[Tensor], keys: Sequence[Hashable]
) -> list[Tensor]:
    """Give ``work`` each batch of images of equal shape and key, and their places; images without a key stay."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for n, (image, key) in enumerate(zip(images, keys, strict=True)):
        if key is not None:
            groups[image.shape, key].append(n)
    done = list(images)
    for places in groups.values():
        batch = work(torch.cat([images[n] for n in places]), places)
        for n, image in zip(places, torch.split(batch, 1), strict=True):
            done[n] = image
    return done


def _fast_length(length: int) -> int:
    """The next length without prime factors above 5, for which transforms are fast."""
    return next(each for each in count(length) if pow(30, 64, each) == 0)  # such a length divides 30^64
