"""How far a network looks, measured: a picture is cut, and it is seen how far from the cut its result still changes.

Deep networks reach hundreds of pixels in theory, and a few dozen in what can be seen. Attention in windows also asks
where a cut lies: the windows of both parts have to fall alike.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

HALF_A_LEVEL = 0.5 / 255
_SETTLED = HALF_A_LEVEL / 2  # a picture may be harsher than the noise
_HEIGHT = 32  # of the picture that is cut, which suits windows of 8, 16 and 32
_LENGTHS = (192, 384)  # of the picture; the second for networks that have not settled within half of the first
_CUT = 64  # about where the picture is cut
_ALIGNMENTS = (1, 8, 16, 32, 12, 24, 48, 64)
_STEP = 4  # the margin is rounded up to multiples of this
_FALLBACK = 64  # the margin where none suffices


class Reach(NamedTuple):
    """``radius`` pixels to each side; tiles begin at multiples of ``alignment``.

    ``leak`` is by how much, in [0, 1], a cut changes values beyond the radius: less than half a level of 255, except
    for networks that look at the whole picture, such as those with attention over channels.
    """

    radius: int
    alignment: int
    leak: float


@torch.inference_mode()
def measure_reach(network: Callable[[Tensor], Tensor], *, scale: int) -> Reach:
    """Measure how far a network looks.

    Args:
        network: Maps (1, 3, h, w) to (1, 3, scale * h, scale * w); a module in evaluation mode.
        scale: How many times larger the output is.

    Returns:
        The smallest radius and alignment, of a few, with which a cut changes nothing by half a level.
    """
    best: Reach | None = None
    for length in _LENGTHS:
        picture = _noise(length).to(_device(network))
        whole = network(picture).float()
        # What decides where windows lie shows in the shortest picture already.
        for alignment in _ALIGNMENTS if best is None else (best.alignment,):
            left = _effect(network, picture, whole, scale, cut=_cut_at(alignment))
            far = float(left[len(left) // 2 :].max())
            if best is None or alignment == best.alignment or far < 0.5 * best.leak:
                radius = _settled(left)
                best = Reach(_FALLBACK if radius is None else radius, alignment, far)
            if far < HALF_A_LEVEL:
                break
        assert best is not None, "there are alignments"
        if best.leak < HALF_A_LEVEL:
            right = _effect(network, picture, whole, scale, cut=-_cut_at(best.alignment))
            radius = max(_settled(right) or 0, best.radius)
            return best._replace(radius=math.ceil(radius / _STEP) * _STEP)
    assert best is not None, "there are lengths"
    return best


def _device(network: object) -> torch.device:
    if isinstance(network, nn.Module):
        return next(network.parameters()).device
    return torch.device("cpu")


def _noise(length: int) -> Tensor:
    """Noise with as much in each octave as photos have, shape (1, 3, _HEIGHT, length)."""
    white = torch.randn(1, 3, _HEIGHT, length, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.fft.fftfreq(_HEIGHT)[:, None], torch.fft.rfftfreq(length)[None]
    frequency = (rows**2 + columns**2).sqrt().clamp_min(1 / length)
    pink: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) / frequency, s=(_HEIGHT, length))
    pink = 0.5 + 0.2 * pink / pink.std()
    return pink.clamp(0, 1)


def _cut_at(alignment: int) -> int:
    """A multiple of the alignment and of no other one that is tried, at about ``_CUT``."""
    factor = max(_CUT // alignment, 1)
    while math.gcd(factor, 6) != 1:
        factor += 1
    return alignment * factor


def _effect(network: Callable[[Tensor], Tensor], picture: Tensor, whole: Tensor, scale: int, *, cut: int) -> Tensor:
    """Largest change by distance, in input pixels, from a cut; of what is right of it, or left of it if negative."""
    part = picture[..., cut:] if cut > 0 else picture[..., :cut]
    kept = whole[..., cut * scale :] if cut > 0 else whole[..., : cut * scale]
    change = (network(part.contiguous()).float() - kept).abs().amax(dim=(0, 1, 2))
    by_pixel = change.view(-1, scale).amax(dim=1).cpu()
    return by_pixel if cut > 0 else by_pixel.flip(0)


def _settled(effect: Tensor) -> int | None:
    """The distance from which on nothing moves by half a level; None where there is none in the near half."""
    moved = (effect >= _SETTLED).nonzero()
    first = 0 if not len(moved) else int(moved[-1]) + 1
    return first if first <= len(effect) // 2 else None
