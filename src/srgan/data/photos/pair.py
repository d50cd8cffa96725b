"""Makes a photo an HR/LR pair: decoded, reduced, and downscaled to LR unless that is a file of its own."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from srgan.data.photos.find import Photo
from srgan.pictures.resize import downscale_pixels
from srgan.pictures.rgb import read_rgb8, to_float, to_uint8


@dataclass(frozen=True)
class Pair:
    """A decoded photo: ``lr`` uint8 (3, h, w) and ``hr`` uint8 (3, scale * h, scale * w)."""

    lr: Tensor
    hr: Tensor


def read_pair(photo: Photo, *, scale: int) -> Pair:
    """Decode a photo, and make or decode its LR.

    HR is cropped at the bottom and right to a multiple of the scale, as in the papers.

    Raises:
        ImageReadError: If a file cannot be read.
        ValueError: If a partner's size is not the HR size divided by the scale; names both files and sizes.
    """
    return make_pair(photo, read_rgb8(photo.hr_path), scale=scale)


def make_pair(photo: Photo, hr: Tensor, *, scale: int) -> Pair:
    """As ``read_pair``, from a decoded HR file: uint8, shape (3, H, W).

    A photo too small for one LR pixel becomes a pair with empty LR and uncropped HR.
    """
    if photo.lr_path is None:
        hr = _reduced(hr, photo.reduction)
        if min(hr.shape[1:]) < scale:
            return Pair(hr[:, :0, :0], hr)
        hr = _trimmed(hr, scale)
        return Pair(downscale_pixels(hr, scale), hr)
    lr = read_rgb8(photo.lr_path)
    if not _fit(hr, lr, scale):
        fits = next((f" They fit scale={factor}." for factor in (2, 3, 4, 8) if _fit(hr, lr, factor)), "")
        if lr.shape[-1] >= hr.shape[-1]:
            fits = " LR is not smaller than HR: are the two folders swapped, or the same?"
        raise ValueError(
            f"Expected {photo.hr_path} to be {scale} times as large as {photo.lr_path}, got {_size(hr)} and {_size(lr)}"
            f" (width x height).{fits} Correct the pair or set scale to match."
        )
    return Pair(lr, hr[:, : scale * lr.shape[1], : scale * lr.shape[2]])


def _fit(hr: Tensor, lr: Tensor, factor: int) -> bool:
    return all(0 <= large - factor * small < factor for large, small in zip(hr.shape[1:], lr.shape[1:], strict=True))


def _reduced(image: Tensor, factor: float) -> Tensor:
    """The image downscaled by bicubic; by whole factors in MATLAB's convention, including borders."""
    if factor == 1:
        return image
    if min(image.shape[1:]) < factor:
        return image[:, :0, :0]
    if float(factor).is_integer():
        return downscale_pixels(_trimmed(image, int(factor)), int(factor))
    size = [round(side / factor) for side in image.shape[-2:]]
    return to_uint8(interpolate(to_float(image)[None], size=size, mode="bicubic", antialias=True))[0]


def _trimmed(image: Tensor, factor: int) -> Tensor:
    """The image cropped at the bottom and right to multiples of the factor."""
    height, width = image.shape[-2:]
    return image[:, : height // factor * factor, : width // factor * factor]


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
