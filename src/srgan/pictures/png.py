"""Writes still PNG files of 8 or 16 bits in bands of rows: Pillow has no 16-bit colour and needs all rows at once.

Chunks and filters: PNG specification, third edition (W3C 2025), sections 9 and 11.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from srgan.pictures.decoded.bands import bands
from srgan.pictures.decoded.picture import Picture
from srgan.pictures.metadata.chunks import SIGNATURE
from srgan.pictures.metadata.exif import PREFIX

try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this processor
    import zlib as fast_zlib  # type: ignore[no-redef]

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_INCHES_PER_METRE = 1 / 0.0254
_SAMPLE = 4  # every fourth pixel decides the filter


def write_png(file: BinaryIO, picture: Picture, *, icc_profile: bytes | None, level: int = 1) -> None:
    """Write a picture at its own depth, at zlib's level 1 to 9; the stream need not seek."""
    height, width = picture.size
    channels = (1 if picture.gray else 3) + (picture.alpha is not None)
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, picture.bits, _COLOUR_TYPES[channels], 0, 0, 0))
    if icc_profile:
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile))
    for name, data in picture.chunks:
        _write_chunk(file, name, data)
    if picture.dpi:
        across, down = (round(value * _INCHES_PER_METRE) for value in picture.dpi)
        _write_chunk(file, b"pHYs", struct.pack(">IIB", across, down, 1))
    if picture.exif:
        _write_chunk(file, b"eXIf", picture.exif.removeprefix(PREFIX))
    for data in _compressed(picture, level):
        _write_chunk(file, b"IDAT", data)
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _compressed(picture: Picture, level: int) -> Iterator[bytes]:
    """The rows, filtered and deflated, in pieces."""
    # Intel's library takes a fifth of the time of zlib's fastest level, and compresses better.
    deflate = fast_zlib.compressobj(1) if level == 1 else zlib.compressobj(level, strategy=zlib.Z_FILTERED)
    above: NDArray[np.uint8] | None = None
    for values in bands(picture, bits=picture.bits, gray=picture.gray):
        rows = values.astype(">u2").view(np.uint8) if picture.bits == 16 else values
        step = values.shape[-1] * picture.bits // 8
        rows = rows.reshape(len(values), -1)
        above = np.zeros_like(rows[0]) if above is None else above
        yield from filter(None, [deflate.compress(_filtered(rows, above, step).tobytes())])
        above = rows[-1]
    yield deflate.flush()


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Each row minus its prediction, by the filter with the smallest residuals on every fourth pixel.

    Args:
        rows: Bytes of the rows, (rows, bytes).
        above: Bytes of the row before the first.
        step: Bytes of a pixel.

    Returns:
        The residuals, each row preceded by its filter's number: (rows, 1 + bytes).
    """
    up = np.concatenate([above[None], rows[:-1]])
    around = (_shifted(rows, step), up, _shifted(up, step))
    sample, *sample_around = (_sampled(each, step) for each in (rows, *around))
    best = np.stack([_cost(sample - predict(*sample_around)) for predict in _FILTERS]).argmin(axis=0)
    residuals = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    residuals[:, 0] = best
    for number in np.unique(best):
        chosen = np.flatnonzero(best == number)
        residuals[chosen, 1:] = rows[chosen] - _FILTERS[number](*(each[chosen] for each in around))
    return residuals


def _shifted(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    return np.pad(rows, ((0, 0), (step, 0)))[:, : rows.shape[1]]


def _sampled(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    return rows.reshape(len(rows), -1, step)[:, ::_SAMPLE].reshape(len(rows), -1)


def _cost(residual: NDArray[np.uint8]) -> NDArray[np.int64]:
    cost: NDArray[np.int64] = np.minimum(residual, -residual).sum(axis=1, dtype=np.int64)  # of -128 … 127
    return cost


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    to_left, to_up = up.astype(np.int16) - corner, left.astype(np.int16) - corner
    to_corner = np.abs(to_left + to_up)
    to_left, to_up = np.abs(to_left), np.abs(to_up)
    nearest_two = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest_two)


# The prediction of each PNG filter, by its number, from the bytes to the left, above, and above to the left.
_FILTERS: tuple[Callable[..., Any], ...] = (
    lambda left, up, corner: np.uint8(0),
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left >> 1) + (up >> 1) + (left & up & 1),  # the mean, rounded down, within a byte
    _paeth,
)
