"""Picture formats that packages other than Pillow read: HEIC and JPEG XL, the extra ``formats``."""

import importlib
from importlib.util import find_spec
from typing import IO

HEIC, JPEG_XL = "a HEIC picture", "a JPEG XL picture"
_PACKAGES = {HEIC: "pillow_heif", JPEG_XL: "pillow_jxl"}
EXTENSIONS = {HEIC: frozenset({".heic", ".heif", ".hif"}), JPEG_XL: frozenset({".jxl"})}
INSTALL = "install the extra `formats` (pip install 'srgan[formats]')"
# JPEG XL (ISO 18181-1), SizeHeader: bits of a side, chosen by the two bits before it, and ratios of the sides.
_SIDE_BITS = (9, 13, 18, 30)
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_CODESTREAM = b"\xff\x0a"


def readable_extensions() -> frozenset[str]:
    """File extensions of the kinds whose package is installed."""
    return frozenset().union(*(EXTENSIONS[kind] for kind, package in _PACKAGES.items() if find_spec(package)))


def load_reader(kind: str) -> bool:
    """Let Pillow read a kind; returns False if its package is not installed."""
    try:
        package = importlib.import_module(_PACKAGES[kind])
    except ImportError:
        return False
    if kind == HEIC:
        package.register_heif_opener()  # the other registers itself
    return True


def jpeg_xl_pixels(file: IO[bytes]) -> int:
    """How many pixels the header of a JPEG XL file states, before its reader decodes them all; 0 if it states none."""
    bits = int.from_bytes(_jpeg_xl_header(file), "little")

    def take(number: int) -> int:
        nonlocal bits
        bits, value = bits >> number, bits & (1 << number) - 1
        return value

    def side() -> int:
        return (take(5) + 1) * 8 if small else take(_SIDE_BITS[take(2)]) + 1

    small = take(1)
    height = side()
    across, down = _RATIOS.get(take(3), (0, 0))
    return height * (height * across // down if down else side()) if bits or height > 1 else 0


def _jpeg_xl_header(file: IO[bytes]) -> bytes:
    """The first bytes of the codestream after its signature; it may be inside boxes."""
    file.seek(0)
    if file.read(2) == _CODESTREAM:
        return file.read(16)
    file.seek(0)
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name in (b"jxlc", b"jxlp"):
            return file.read(22).partition(_CODESTREAM)[2][:16]
        if length < 8:  # up to the end, or a 64-bit length, which no box before the picture has
            break
        file.seek(length - 8, 1)
    return b""
