"""Checks of the numbers of degradations and augmentations; the messages name the setting."""

import math
from collections.abc import Mapping, Sequence


def require_range(name: str, values: Sequence[float], *, lowest: float, highest: float = math.inf) -> None:
    """Raise ValueError unless these are two numbers in order, both of ``lowest`` to ``highest``."""
    if not (_are_ordered(values) and lowest <= values[0] and values[1] <= highest):
        bounds = f"of {lowest:g} or more" if math.isinf(highest) else f"from {lowest:g} to {highest:g}"
        raise ValueError(f"Expected {name} to be two numbers {bounds}, the lower one first, got {values!r}.")


def require_positive_range(name: str, values: Sequence[float]) -> None:
    """Raise ValueError unless these are two numbers in order, both above 0."""
    if not (_are_ordered(values) and values[0] > 0):
        raise ValueError(f"Expected {name} to be two numbers above 0, the lower one first, got {values!r}.")


def require_probability(name: str, value: float) -> None:
    """Raise ValueError unless this is a number from 0 to 1, as probabilities and shares are."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"Expected {name} between 0 and 1, got {value!r}.")


def require_weights(name: str, weights: Mapping[str, float]) -> None:
    """Raise ValueError unless these are numbers of 0 or more, and not all of them 0."""
    if not all(_is_number(weight) and weight >= 0 for weight in weights.values()) or not any(weights.values()):
        raise ValueError(f"Expected {name} to be numbers of 0 or more, at least one above 0, got {weights!r}.")


def _are_ordered(values: Sequence[float]) -> bool:
    is_pair = isinstance(values, Sequence) and len(values) == 2 and all(_is_number(value) for value in values)
    return is_pair and values[0] <= values[1]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
