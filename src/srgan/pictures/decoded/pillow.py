"""A Pillow image as a `Picture`, and back: the one way between them, of files and of images in memory alike."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from srgan.pictures import metadata
from srgan.pictures.decoded.bands import whole
from srgan.pictures.decoded.picture import Picture
from srgan.pictures.decoded.pillow_modes import Pixels, pixels_of, prepare
from srgan.pictures.metadata import colours, exif_geometry


def from_image(image: Image.Image, *, deep: Pixels | None = None) -> Picture:
    """Take a Pillow image of any mode, with its EXIF orientation applied.

    Args:
        image: The image; of an animation its present frame.
        deep: Its pixels, where the file holds more of their bits than Pillow keeps.

    Returns:
        The picture. Its format is PNG, which can hold any picture, if the image is not from a file.

    Raises:
        OSError: If Pillow cannot load it.
        ValueError: If its values are beyond [0, 1] or 16 bits.
    """
    prepare(image)
    if image.format != "TIFF":  # whose tags are gone once it is loaded
        image.load()  # first: looking for EXIF loads a PNG, whose faulty pixels must not be taken for faulty EXIF
    block, dpi = metadata.read_block(image), metadata.read_dpi(image)
    stated_turn = metadata.stated_orientation(image)
    image.load()
    pixels = deep or pixels_of(image)
    turn = metadata.orientation(image)
    height, width = metadata.upright(pixels.colours, turn).shape[:2]
    return Picture(
        rgb=as_tensor(pixels.colours, levels=2**pixels.bits - 1, orientation=turn).expand(-1, 3, -1, -1),
        alpha=None if pixels.alpha is None else as_tensor(pixels.alpha, levels=2**pixels.bits - 1, orientation=turn),
        gray=pixels.colours.shape[-1] == 1,
        bits=pixels.bits,
        icc_profile=pixels.icc_profile,
        exif=exif_geometry.turned(block, stated_turn, (height, width)) if block else None,
        format="JPEG" if image.format == "MPO" else image.format or "PNG",
        dpi=dpi,
        chunks=colours.from_info(image.info),
    )


def to_image(picture: Picture) -> Image.Image:
    """Make a Pillow image: RGB, RGBA, L, LA, or I;16 for 16-bit gray; of other 16-bit pictures Pillow keeps 8 bits.

    Its ``info`` has what Pillow's ``save`` takes: ``icc_profile``, ``exif`` and ``dpi``, each if the picture has one.
    """
    deep = picture.bits == 16 and picture.gray and picture.alpha is None
    image = pixels_as_image(picture, gray=picture.gray, bits=16 if deep else 8)
    image.info.update(saving_options(picture, gray=picture.gray))
    return image


def pixels_as_image(picture: Picture, *, gray: bool, alpha: bool = False, bits: int = 8) -> Image.Image:
    """The pixels alone, as gray or RGB, with alpha if there is any or it is asked for."""
    values = whole(picture, gray=gray, bits=bits)
    image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
    return image.convert("RGBA") if alpha and not image.mode.endswith("A") else image


def saving_options(picture: Picture, *, gray: bool) -> dict[str, Any]:
    """What Pillow's savers take besides a picture's pixels; they do not accept None."""
    options = {
        "icc_profile": stated_profile(picture, gray=gray),
        "exif": picture.exif,
        "dpi": picture.dpi,
    }
    return {name: value for name, value in options.items() if value}


def profile_of(picture: Picture, *, gray: bool) -> bytes | None:
    """The profile, if it is one of the colours that are written: bytes 16 to 19 of its header say which."""
    profile = picture.icc_profile
    return profile if profile and profile[16:20] == (b"GRAY" if gray else b"RGB ") else None


def stated_profile(picture: Picture, *, gray: bool) -> bytes | None:
    """The profile, or one made from what the picture states instead, for formats that can only store a profile."""
    return profile_of(picture, gray=gray) or colours.profile_of_chunks(picture.chunks, gray=gray)


def as_tensor(values: NDArray[Any], *, levels: int, orientation: int = 1) -> Tensor:
    """Convert values (H, W, C) as stored in a file to floats in [0, 1], (1, C, H, W), upright.

    Args:
        values: From 0 to ``levels``.
        levels: The largest value.
        orientation: As EXIF has it, 1 to 8.
    """
    planes = np.array(np.moveaxis(metadata.upright(values, orientation), -1, 0), dtype=np.float32, order="C")
    return torch.from_numpy(planes).div_(levels).unsqueeze(0)
