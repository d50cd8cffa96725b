"""What a file states about its colours without a profile: PNG's gAMA, cHRM and cICP, AVIF's nclx.

A PNG keeps them. For other formats they are turned into a profile; a warning says when no profile can express them.
PNG specification, third edition (W3C 2025), 4.3; code points: ITU-T H.273.
"""

import struct
from collections.abc import Sequence
from typing import Any

from srgan.pictures.metadata.icc import make_profile

Chunk = tuple[bytes, bytes]  # a PNG's: name, data

NAMES = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI"})
_D65 = (0.3127, 0.329)
_SRGB = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_PRIMARIES = {
    1: _SRGB,
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # DCI-P3
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
# Curves like BT.709's are for cameras; pictures that state them are displayed with sRGB's.
_GAMMAS = {1: None, 6: None, 14: None, 15: None, 13: None, 4: 2.2, 5: 2.8, 8: 1.0}
_UNSPECIFIED, _SRGB_CURVE = 2, 13
_ALIKE = 0.002  # between chromaticities
_GAMMA_ALIKE = 0.05


def from_info(info: dict[Any, Any]) -> tuple[Chunk, ...]:
    """The chunks that Pillow's ``info`` of an image reports; cICP is not among them."""
    chunks: list[Chunk] = []
    if "srgb" in info:
        chunks.append((b"sRGB", bytes([info["srgb"]])))
    if "gamma" in info:
        chunks.append((b"gAMA", struct.pack(">I", round(info["gamma"] * 100000))))
    if "chromaticity" in info:
        chunks.append((b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in info["chromaticity"]))))
    return tuple(chunks)


def from_nclx(content: bytes) -> tuple[Chunk, ...]:
    """The chunk that states the same as an AVIF file; none if that is sRGB or unspecified."""
    place = content.find(b"colrnclx")
    if place < 0 or len(content) < place + 12:
        return ()
    primaries, transfer = struct.unpack_from(">HH", content, place + 8)
    if primaries in (1, _UNSPECIFIED) and transfer in (_SRGB_CURVE, _UNSPECIFIED):
        return ()
    return ((b"cICP", bytes([primaries & 255, transfer & 255, 0, 1])),)


def profile_of_chunks(chunks: Sequence[Chunk], *, gray: bool) -> bytes | None:
    """A profile that states the same as the chunks; None if that is sRGB, or no profile can."""
    stated = _stated(chunks)
    if stated is None:
        return None
    chromaticities, gamma = stated
    is_srgb = gray or max(abs(a - b) for a, b in zip(chromaticities, _SRGB, strict=True)) < _ALIKE
    if is_srgb and (gamma is None or (gamma and abs(gamma - 2.2) < _GAMMA_ALIKE)):
        return None
    try:
        return make_profile(chromaticities, gamma=gamma, gray=gray)
    except ValueError:  # chunks that make no sense
        return None


def beyond_profiles(chunks: Sequence[Chunk]) -> bool:
    """Whether chunks state what no profile can: HDR, or unknown code points."""
    return any(name == b"cICP" for name, _ in chunks) and _stated(chunks) is None


def _stated(chunks: Sequence[Chunk]) -> tuple[Sequence[float], float | None] | None:
    """Chromaticities and gamma (None for sRGB's curve); None if nothing is stated, or sRGB, or more than these."""
    said = dict(chunks)
    if (codes := said.get(b"cICP")) is not None:
        known = len(codes) == 4 and codes[0] in _PRIMARIES and codes[1] in _GAMMAS and codes[2:] == b"\0\1"
        return (_PRIMARIES[codes[0]], _GAMMAS[codes[1]]) if known else None
    gama, chrm = said.get(b"gAMA", b""), said.get(b"cHRM", b"")
    if b"sRGB" in said or (len(gama) != 4 and len(chrm) != 32):
        return None
    level = struct.unpack(">I", gama)[0] if len(gama) == 4 else 0
    chromaticities = [value / 100000 for value in struct.unpack(">8I", chrm)] if len(chrm) == 32 else _SRGB
    return chromaticities, 100000 / level if level else None
