"""The values that a picture may have, floats in [0, 1] or 16-bit integers: others would come out white or black."""

_MARGIN = 0.01  # by which a resampled picture may overshoot


def require_unit(lowest: float, highest: float, *, what: str) -> None:
    """Raise ValueError unless floats are in [0, 1], or hardly beyond; NaN is not."""
    if not (lowest >= -_MARGIN and highest <= 1 + _MARGIN):
        raise ValueError(
            f"expected {what} in [0, 1], got values from {lowest:g} to {highest:g}; divide them by the value of white,"
            " such as /255"
        )


def require_16_bits(lowest: int, highest: int) -> None:
    """Raise ValueError unless integers are those of 16 bits."""
    if lowest < 0 or highest > 65535:
        raise ValueError(
            f"expected gray of 16 bits, 0 to 65535, got values from {lowest} to {highest} (of 32 bits the upper half"
            " is read as negative); bring them to 16 bits, or to floats in [0, 1]"
        )
