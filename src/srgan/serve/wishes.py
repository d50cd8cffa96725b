"""What a request asks for: weights, strength, size, format; checked, and nothing in it names a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srgan.pictures import FORMATS
from srgan.prediction.sizes import Size


@dataclass(frozen=True)
class Limits:
    """What is accepted.

    Args:
        max_bytes: Of an uploaded file.
        max_pixels: Of a picture, all frames together.
        max_tasks: Pictures that are kept or waited for at once.
    """

    max_bytes: int = 500_000_000
    max_pixels: int = 100_000_000
    max_tasks: int = 1000


@dataclass(frozen=True)
class Wish:
    """How a picture is to be enlarged.

    Args:
        weights: One of the names that the server offers.
        strength: Their share, 0 to 1; the rest is the weights that they are blended with.
        size: How large, as ``Size`` reads it; None for what the network gives.
        format: As of ``srgan predict``.
        quality: Of JPEG, WebP and AVIF.
        trust: Whether a trust map is wanted.
    """

    weights: str
    strength: float = 1.0
    size: Size | None = None
    format: str = "png"
    quality: int = 95
    trust: bool = False


def read_wish(given: Mapping[str, str], *, weights: Sequence[str], blended: Sequence[str]) -> Wish:
    """Read the parameters of a request.

    Args:
        given: Names and values; those that are no settings are left alone, and those that are missing or empty have
            their defaults.
        weights: Names of the weights there are; the first is the default.
        blended: Those that have others to be blended with.

    Raises:
        ValueError: If a value is none that there is.
    """
    said = {name: value for name, value in given.items() if value}
    name, form = said.get("weights", weights[0]), said.get("format", "png")
    if name not in weights:
        raise ValueError(f"Expected weights to be one of {', '.join(weights)}, got {name}.")
    if form not in (*FORMATS, "same"):
        raise ValueError(f"Expected format to be one of {', '.join(FORMATS)} or same, got {form}.")
    strength = _number(said, "strength", 1.0, 0, 1)
    if strength != 1 and name not in blended:
        raise ValueError(f"Expected strength=1 with {name}, which has no weights to be blended with, got {strength:g}.")
    return Wish(
        weights=name,
        strength=strength,
        size=Size(said["size"]) if "size" in said else None,
        format=form,
        quality=int(_number(said, "quality", 95, 1, 100)),
        trust=said.get("trust", "false") == "true",
    )


def _number(said: Mapping[str, str], name: str, default: float, lowest: float, highest: float) -> float:
    try:
        value = float(said.get(name, default))
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise ValueError(f"Expected {name} from {lowest:g} to {highest:g}, got {said.get(name)}.")
    return value
