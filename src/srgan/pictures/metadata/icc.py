"""Makes a colour profile from primaries and a curve, for pictures whose file states only these.

ICC.1:2001-04 (version 2.4): a display profile of a matrix and curves, or of a curve alone for gray.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Chromaticities = Sequence[float]  # x and y of white, red, green and blue

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_STEPS = 1024
_HEADER = 128


def make_profile(chromaticities: Chromaticities, *, gamma: float | None, gray: bool) -> bytes:
    """Make a profile.

    Args:
        chromaticities: Eight numbers: x and y of white, red, green and blue.
        gamma: The power that maps values to light; None for sRGB's curve.
        gray: Whether it is for gray.

    Raises:
        ValueError: If no colours have such chromaticities.
    """
    matrix = None if gray else _to_d50(chromaticities)
    tags = {b"desc": _text(b"desc", "Colours as the file states them"), b"cprt": _text(b"text", "No copyright")}
    tags[b"wtpt"] = _xyz(_D50)
    if matrix is None:
        tags[b"kTRC"] = _curve(gamma)
    else:
        for index, name in enumerate(b"rgb"):
            tags[bytes([name]) + b"XYZ"] = _xyz(matrix[:, index])
            tags[bytes([name]) + b"TRC"] = _curve(gamma)
    return _assembled(tags, b"GRAY" if gray else b"RGB ")


def _to_d50(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """The light of full red, green and blue as columns, with white brought to the profile's own (Bradford)."""
    points = np.array(chromaticities, dtype=np.float64).reshape(4, 2)
    if not (points[:, 1] > 0).all():
        raise ValueError(f"expected chromaticities above 0, got {points.tolist()}")
    lights = np.stack([points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(axis=1)) / points[:, 1]])
    white, primaries = lights[:, 0], lights[:, 1:]
    try:
        shares = np.linalg.solve(primaries, white)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"expected chromaticities of three colours, got {points.tolist()}") from error
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    matrix: NDArray[np.float64] = adapt @ (primaries * shares)
    if np.abs(matrix).max() >= 2**15:
        raise ValueError(f"expected chromaticities of three colours, got {points.tolist()}")
    return matrix


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv" + struct.pack(">4xIH2x", 1, min(round(gamma * 256), 2**16 - 1))
    values = np.linspace(0, 1, _CURVE_STEPS)
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    levels: bytes = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">4xI", _CURVE_STEPS) + levels


def _xyz(light: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in light))


def _text(kind: bytes, text: str) -> bytes:
    said = text.encode("ascii") + b"\0"
    return kind + bytes(4) + (said if kind == b"text" else struct.pack(">I", len(said)) + said + bytes(4 + 4 + 3 + 67))


def _assembled(tags: dict[bytes, bytes], colours: bytes) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    first = _HEADER + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", first + len(data), len(value))
        data += value.ljust(-(-len(value) // 4) * 4, b"\0")
    white = struct.pack(">3i", *(round(value * 65536) for value in _D50))
    header = struct.pack(
        ">I4x4s4s4s4s12x4s28x12s", first + len(data), b"\2\x40\0\0", b"mntr", colours, b"XYZ ", b"acsp", white
    )
    return header.ljust(_HEADER, b"\0") + table + data
