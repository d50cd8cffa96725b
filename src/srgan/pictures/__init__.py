"""Reads and writes users' picture files without losing anything: depth, alpha, profile, frames.

Prediction uses this; training takes the same values as plain 8-bit RGB (`srgan.pictures.rgb`).
"""

from srgan.pictures.decoded.arrays import from_array, to_array
from srgan.pictures.decoded.picture import Picture, PictureFormatError
from srgan.pictures.decoded.pillow import from_image, to_image
from srgan.pictures.decoded.value_ranges import require_unit
from srgan.pictures.read import EXTENSIONS, read_levels, read_pictures
from srgan.pictures.write import FORMATS, colours_lost, require_quality, require_writable, write_pictures

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "Picture",
    "PictureFormatError",
    "colours_lost",
    "from_array",
    "from_image",
    "read_levels",
    "read_pictures",
    "require_quality",
    "require_unit",
    "require_writable",
    "to_array",
    "to_image",
    "write_pictures",
]
