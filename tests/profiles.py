"""A colour profile that changes colours so that anybody can say how."""

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
