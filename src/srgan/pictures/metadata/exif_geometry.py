"""Corrects what an EXIF block says about a picture's size, scale and directions after a turn or an enlargement."""

from collections.abc import Callable
from fractions import Fraction

from srgan.pictures.metadata.exif import DOUBLE, EXIF, INTEROP, LONG, RATIONAL, SHORT, Block, Entry, parse

_SIDES = (((EXIF,), 0xA002, 0xA003), ((EXIF, INTEROP), 0x1001, 0x1002))  # the directory, its tags of width and height
_FOCAL_PLANE = (0xA20E, 0xA20F)  # pixels per unit of the sensor, across and down
_SUBJECTS = (0x9214, 0xA214)  # x, y, then nothing, a diameter, or a width and a height
_GEO_SCALE, _GEO_POINTS, _GEO_MATRIX = 33550, 33922, 34264  # GeoTIFF: the ground under the pixels
_GEO = (_GEO_SCALE, _GEO_POINTS, _GEO_MATRIX, 34735, 34736, 34737)
_LARGEST_SHORT = 2**16 - 1


def turned(block: Block, turn: int, size: tuple[int, int]) -> bytes | None:
    """The bytes of a picture's block after the picture was brought upright.

    Args:
        block: The block; it is changed.
        turn: The orientation that was applied, 1 to 8.
        size: Height and width since.

    Returns:
        The bytes; None if nothing is left to say.
    """
    details = block.directory(EXIF)
    if turn != 1:
        for tag in _GEO:
            block.tags.pop(tag, None)
        for tag in _SUBJECTS:
            _change(block, tag, lambda where: _turned_place(where, turn, size))
    if turn > 4:
        across, down = (details.pop(tag, None) for tag in _FOCAL_PLANE)
        details |= {tag: each for tag, each in zip(_FOCAL_PLANE, (down, across), strict=True) if each is not None}
    _state_size(block, size)
    return block.tobytes() or None


def enlarged(exif: bytes | None, before: tuple[int, int], after: tuple[int, int]) -> bytes | None:
    """The bytes of a block for a picture whose height and width have changed."""
    block = parse(exif) if exif else None
    if block is None:
        return exif
    down, across = (Fraction(new, old) for new, old in zip(after, before, strict=True))
    details = block.directory(EXIF)
    for tag, factor in zip(_FOCAL_PLANE, (across, down), strict=True):
        entry = details.get(tag)
        if isinstance(entry, Entry) and (entry.kind, entry.count) == (RATIONAL, 1):
            over, under = (int(number) for number in block.numbers(entry, "I"))
            details[tag] = block.entry(RATIONAL, "I", *_times(over, under, factor))
    for tag in _SUBJECTS:
        _change(block, tag, lambda where: _enlarged_place(where, across, down))
    _enlarge_ground(block, across, down)
    _state_size(block, after)
    return block.tobytes() or None


def _times(over: int, under: int, factor: Fraction) -> tuple[int, int]:
    """A rational times a factor, in 32 bits; one with denominator 0 is meaningless and stays."""
    if not under:
        return over, under
    product = Fraction(over, under) * factor
    for bits in range(32, 0, -4):
        near = product.limit_denominator(2**bits - 1)
        if near.numerator < 2**32:
            return near.numerator, near.denominator
    return over, under


def _state_size(block: Block, size: tuple[int, int]) -> None:
    for path, width, height in _SIDES:
        directory = block.directory(*path)
        for tag, side in ((width, size[1]), (height, size[0])):
            if tag in directory:
                directory[tag] = block.entry(LONG, "I", side)


def _change(block: Block, tag: int, change: Callable[[list[int]], list[int]]) -> None:
    """Change the position of a subject; one that its type can no longer hold is left out."""
    details = block.directory(EXIF)
    entry = details.get(tag)
    if not isinstance(entry, Entry) or entry.kind != SHORT or entry.count not in (2, 3, 4):
        return
    where = change([int(number) for number in block.numbers(entry, "H")])
    if min(where) >= 0 and max(where) <= _LARGEST_SHORT:
        details[tag] = block.entry(SHORT, "H", *where)
    else:
        del details[tag]


def _turned_place(where: list[int], turn: int, size: tuple[int, int]) -> list[int]:
    (x, y), extent = where[:2], where[2:]
    if turn > 4:
        x, y, extent = y, x, extent[::-1]
    if turn in (3, 4, 7, 8):
        y = size[0] - 1 - y
    if turn in (2, 3, 6, 7):
        x = size[1] - 1 - x
    return [x, y, *extent]


def _enlarged_place(where: list[int], across: Fraction, down: Fraction) -> list[int]:
    """The centre of a pixel keeps its place in the picture; if an extent has two numbers, the second is the height."""
    centre = [int((each + Fraction(1, 2)) * factor) for each, factor in zip(where[:2], (across, down), strict=True)]
    return centre + [round(each * factor) for each, factor in zip(where[2:], (across, down), strict=False)]


def _enlarge_ground(block: Block, across: Fraction, down: Fraction) -> None:
    """GeoTIFF's pixels are smaller, and its points further apart (GeoTIFF 1.1, annexes B.6 and B.7)."""
    smaller, larger = (float(1 / across), float(1 / down)), (float(across), float(down))
    for tag, period, factors in ((_GEO_SCALE, 3, smaller), (_GEO_POINTS, 6, larger), (_GEO_MATRIX, 4, smaller)):
        entry = block.tags.get(tag)
        if isinstance(entry, Entry) and entry.kind == DOUBLE:
            axes = [n % period for n in range(len(entry.data) // 8)]
            numbers = [
                each * (factors[axis] if axis < 2 else 1)
                for axis, each in zip(axes, block.numbers(entry, "d"), strict=True)
            ]
            block.tags[tag] = block.entry(DOUBLE, "d", *numbers)
