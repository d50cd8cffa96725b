"""How large a result is to be: what can be asked for, and how it comes about from enlargements by a whole number."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from srgan.pictures import Picture
from srgan.pictures.metadata import exif_geometry
from srgan.pictures.shrink import resize_picture

_MOST_PASSES = 2  # of a network: of what it has invented twice it would make no more
_NUMBER = r"[1-9]\d{0,6}"
_FORMS = re.compile(
    rf"(?P<factor>\d{{1,3}}(\.\d+)?)x|(?P<long>{_NUMBER})|width:(?P<width>{_NUMBER})|height:(?P<height>{_NUMBER})"
    rf"|short:(?P<short>{_NUMBER})|fit:(?P<fit_width>{_NUMBER})x(?P<fit_height>{_NUMBER})"
)


@dataclass(frozen=True)
class Size:
    """The size of results; their sides keep the proportion of the picture, to the nearest pixel.

    Args:
        text: ``2x`` for a factor, ``3000`` for the longer side, ``width:3840``, ``height:2160``, ``short:2160`` for the
            shorter side, or ``fit:3840x2160`` for the largest that is no wider and no higher.

    Raises:
        ValueError: If it is none of these.
    """

    text: str

    def __post_init__(self) -> None:
        match = _FORMS.fullmatch(self.text)
        if match is None or (match["factor"] is not None and float(match["factor"]) == 0):
            raise ValueError(
                "Expected size= to be a factor (2x), the longer side in pixels (3000), width:3840, height:2160,"
                f" short:2160 or fit:3840x2160, got {self.text}."
            )

    def of(self, picture: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result of a picture of a height and width."""
        height, width = picture
        given = {name: float(value) for name, value in self._given().items()}
        factors = {
            "factor": lambda each: each,
            "long": lambda each: each / max(picture),
            "short": lambda each: each / min(picture),
            "width": lambda each: each / width,
            "height": lambda each: each / height,
            "fit_width": lambda each: each / width,
            "fit_height": lambda each: each / height,
        }
        factor = min(factors[name](value) for name, value in given.items())
        return max(round(height * factor), 1), max(round(width * factor), 1)

    def passes(self, picture: tuple[int, int], scale: int) -> int:
        """How often a network that enlarges by ``scale`` has to: 0 where the picture is as large already, 1 or 2.

        Raises:
            ValueError: If twice does not do.
        """
        wanted = self.of(picture)
        factor = max(new / old for new, old in zip(wanted, picture, strict=True))
        for number in range(_MOST_PASSES + 1):
            if factor <= scale**number:
                return number
        raise ValueError(
            f"size={self.text} would make {wanted[1]}x{wanted[0]} pixels of {picture[1]}x{picture[0]}, and at most"
            f" {scale**_MOST_PASSES} times as many a side are made: the network enlarges {scale} times, and"
            f" {_MOST_PASSES} times over."
        )

    def _given(self) -> dict[str, str]:
        match = _FORMS.fullmatch(self.text)
        assert match is not None  # it was looked at when this was made
        return {name: value for name, value in match.groupdict().items() if value is not None}


def shrink_to(size: Size, large: Picture, *, of: Picture, room: Callable[..., Tensor] = torch.empty) -> Picture:
    """Bring a picture to its size, once it was enlarged as often as that takes.

    Args:
        size: How large it is to become.
        large: The enlarged picture.
        of: The picture as it was.
        room: As for ``resize_picture``.
    """
    wanted = size.of(of.size)
    if large.size != wanted:
        large = resize_picture(large, wanted, room=room)
    return replace(large, exif=exif_geometry.enlarged(of.exif, of.size, wanted))
