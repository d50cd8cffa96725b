"""Colour profiles that change colours so that anybody can say how."""

import struct

from PIL import ImageCms


def srgb_profile() -> bytes:
    """SRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exchanging_profile() -> bytes:
    """SRGB whose red is green and whose green is red."""
    content = bytearray(srgb_profile())
    count = int.from_bytes(content[128:132], "big")
    for entry in range(132, 132 + 12 * count, 12):
        tag = bytes(content[entry : entry + 4])
        content[entry : entry + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(tag, tag)
    return bytes(content)


def cmyk_profile() -> bytes:
    """Inks that are grays: the darker, the more there is of them, whichever they are."""
    shades = [255 - 60 * bin(corner).count("1") for corner in range(16)]  # L of the 2 x 2 x 2 x 2 corners of CMYK
    identity = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    corners = b"".join(bytes([shade, 128, 128]) for shade in shades)
    table = (
        b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + bytes(range(256)) * 4 + corners + bytes(range(256)) * 3
    )
    start = 128 + 4 + 12
    header = struct.pack(">I4x4s4s4s4s12x4s", start + len(table), b"\2\x40\0\0", b"prtr", b"CMYK", b"Lab ", b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)  # D50
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", start, len(table)) + table
