"""One picture in memory, with everything that its file says about it."""

from dataclasses import dataclass

import torch
from torch import Tensor


class PictureFormatError(ValueError):
    """A file format cannot hold a picture; the message says why, and which formats can."""


@dataclass(frozen=True)
class Picture:
    """A still picture, a page, or a frame.

    Attributes:
        rgb: Float RGB in [0, 1], shape (1, 3, H, W), not multiplied by alpha; three equal channels where ``gray``. A
            picture to be written may have uint8 or uint16 levels instead, which take less memory.
        alpha: Opacity in [0, 1], or in levels as above, shape (1, 1, H, W); None if the file has none.
        gray: Whether the file holds only gray, and the result is to as well.
        bits: Depth of a channel in the file: 8 or 16.
        icc_profile: The colour profile that ``rgb`` is in; None for sRGB.
        exif: EXIF block as JPEG files hold it, of the picture's size, without orientation (which is applied) and
            without resolution.
        format: Pillow's name of the file's format, such as ``PNG``.
        dpi: Resolution across and down, in pixels per inch.
        duration: How long a frame of an animation is shown, in milliseconds; None if nothing moves.
        loop: How often an animation plays, 0 for endlessly; None if nothing moves.
        chunks: What a PNG states about its colours besides a profile, and its text: name and data of each chunk.
        comments: Those of a JPEG.
        iptc: The IPTC records of a JPEG or TIFF: caption, credit, copyright.
    """

    rgb: Tensor
    alpha: Tensor | None
    gray: bool
    bits: int
    icc_profile: bytes | None
    exif: bytes | None
    format: str
    dpi: tuple[float, float] | None = None
    duration: float | None = None
    loop: int | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    comments: tuple[bytes, ...] = ()
    iptc: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[-2], self.rgb.shape[-1]

    @property
    def level_type(self) -> torch.dtype:
        """The type that holds the file's levels."""
        return torch.uint16 if self.bits == 16 else torch.uint8
