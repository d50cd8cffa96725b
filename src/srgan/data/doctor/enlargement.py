"""Whether a photo has been enlarged before: whole factors leave a rhythm and a cut-off spectrum.

An interpolated pixel differs less from its neighbour than a copied one, so that the mean difference of neighbours
oscillates with the factor as its period (Gallagher 2005, "Detection of linear and cubic interpolation in JPEG
compressed images", doi:10.1109/CRV.2005.33). Bilinear interpolation by an odd factor makes equal steps from one old
pixel to the next, so that only the second differences oscillate. A soft photo, out of focus or compressed, has little
energy in high frequencies but no such rhythm, and a downscaled photo can have a weak rhythm but keeps its energy.
JPEG's blocks have a rhythm of their own, which hides that of an enlargement compressed afterwards.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_FACTORS = (4, 3, 2)  # in this order: a photo enlarged 4 times also has the rhythm of 2, but not vice versa
_SMALLEST = 96  # pixels per side
_SEGMENT = 64  # pixels of one spectrum
_FLOOR = 0.25  # levels: differences below it are rounding
_RHYTHM, _STRONG_RHYTHM = 0.03, 0.25  # of the mean difference; the second suffices without the spectrum
_CLEAR = 8.0  # times its neighbours in frequency
_OVER_JPEG = 0.75  # times the rhythm of JPEG's blocks of 8 pixels, which has 2 and 4 among its overtones
_DROP = 17.5  # decibels from below the cut-off to above it
_BELOW, _ABOVE = (0.3, 0.4), (0.84, 1.0)  # cycles per pixel, times the factor


def find_enlargement(luma: Tensor) -> int | None:
    """The factor, 2, 3 or 4, by which a photo has been enlarged, or None.

    Args:
        luma: Levels in [0, 255], float, shape (H, W).
    """
    if min(luma.shape) < _SMALLEST:
        return None
    first, second = ([_differences(lines, order=order) for lines in (luma, luma.mT)] for order in (1, 2))
    blocks = max(_rhythm(profile, 8)[0] for profile in (*first, *second))
    least = max(_RHYTHM, _OVER_JPEG * blocks)
    power: Tensor | None = None
    for factor in _FACTORS:
        strength = _clear_rhythm(first, factor)
        if factor % 2:
            strength = max(strength, _clear_rhythm(second, factor))
        if strength < least:
            continue
        power = _spectrum(luma) if power is None else power
        if strength >= _STRONG_RHYTHM or _drop(power, factor) >= _DROP:
            return factor
    return None


def _differences(luma: Tensor, *, order: int) -> Tensor:
    """Logarithm of the mean first or second difference along rows, by column, without slow changes."""
    profile = (torch.diff(luma, n=order, dim=1).abs().mean(dim=0) + _FLOOR).log().double()
    profile = profile[: len(profile) // 24 * 24]  # the periods 2, 3, 4 and 8 fit in
    around = torch.nn.functional.avg_pool1d(profile[None, None], 25, 1, padding=12, count_include_pad=False)[0, 0]
    return profile - around


def _clear_rhythm(profiles: Sequence[Tensor], period: int) -> float:
    """Amplitude of a rhythm that all profiles share; 0 if it does not stand out from neighbouring frequencies."""
    strengths, clarities = zip(*(_rhythm(profile, period) for profile in profiles), strict=True)
    return min(strengths) if min(clarities) >= _CLEAR else 0.0


def _rhythm(profile: Tensor, period: int) -> tuple[float, float]:
    """Amplitude of a rhythm, absolute and relative to neighbouring frequencies."""
    window = torch.hann_window(len(profile), dtype=profile.dtype)
    amplitudes = torch.fft.rfft(profile * window).abs() / window.sum() * 2
    here = len(profile) // period
    if period == 2:
        amplitudes[here] /= 2  # the last bin has no negative counterpart
    nearby = torch.cat([amplitudes[max(1, here - 40) : here - 2], amplitudes[here + 3 : here + 40]])
    return float(amplitudes[here]), float(amplitudes[here] / nearby.median().clamp(min=1e-9))


def _spectrum(luma: Tensor) -> Tensor:
    """Mean power by frequency, along rows and columns."""
    window = torch.hann_window(_SEGMENT)
    powers = []
    for lines in (luma, luma.mT):
        segments = lines[::2].unfold(1, _SEGMENT, _SEGMENT).reshape(-1, _SEGMENT)
        segments = (segments - segments.mean(dim=1, keepdim=True)) * window
        powers.append(torch.fft.rfft(segments).abs().square().mean(dim=0))
    return torch.stack(powers).mean(dim=0)


def _drop(power: Tensor, factor: int) -> float:
    """By how many decibels the power drops at the frequency where the spectrum of an enlarged photo ends."""
    below, above = (
        power[math.ceil(low / factor * _SEGMENT) : math.floor(high / factor * _SEGMENT) + 1].log10().mean()
        for low, high in (_BELOW, _ABOVE)
    )
    return 10 * float(below - above)
