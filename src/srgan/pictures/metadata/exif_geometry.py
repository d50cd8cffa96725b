"""What an EXIF block says of the picture's size, scale and directions, put right when that is turned or enlarged."""

from collections.abc import Callable

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


def enlarged(exif: bytes | None, scale: int, size: tuple[int, int]) -> bytes | None:
    """The bytes of a block for a picture enlarged by ``scale`` to ``size``, its height and width."""
    block = parse(exif) if exif else None
    if block is None:
        return exif
    details = block.directory(EXIF)
    for tag in _FOCAL_PLANE:
        entry = details.get(tag)
        if isinstance(entry, Entry) and (entry.kind, entry.count) == (RATIONAL, 1):
            over, under = (int(number) for number in block.numbers(entry, "I"))
            over, under = (over * scale, under) if over * scale < 2**32 else (over, max(under // scale, 1))
            details[tag] = block.entry(RATIONAL, "I", over, under)
    for tag in _SUBJECTS:
        _change(block, tag, lambda where: [each * scale + (scale // 2 if n < 2 else 0) for n, each in enumerate(where)])
    _enlarge_ground(block, scale)
    _state_size(block, size)
    return block.tobytes() or None


def _state_size(block: Block, size: tuple[int, int]) -> None:
    for path, width, height in _SIDES:
        directory = block.directory(*path)
        for tag, side in ((width, size[1]), (height, size[0])):
            if tag in directory:
                directory[tag] = block.entry(LONG, "I", side)


def _change(block: Block, tag: int, change: Callable[[list[int]], list[int]]) -> None:
    """Change where a subject is; a place that its type cannot hold any more is left out."""
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


def _enlarge_ground(block: Block, scale: int) -> None:
    """GeoTIFF's pixels are smaller, and its points further apart (GeoTIFF 1.1, annexes B.6 and B.7)."""
    for tag, period, factor in ((_GEO_SCALE, 3, 1 / scale), (_GEO_POINTS, 6, scale), (_GEO_MATRIX, 4, 1 / scale)):
        entry = block.tags.get(tag)
        if isinstance(entry, Entry) and entry.kind == DOUBLE:
            numbers = [each * (factor if n % period < 2 else 1) for n, each in enumerate(block.numbers(entry, "d"))]
            block.tags[tag] = block.entry(DOUBLE, "d", *numbers)
