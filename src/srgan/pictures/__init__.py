"""What a user's picture files hold, read, enlarged and written without losing it: depth, alpha, profile, frames.

Training reads plain RGB (`srgan.images`) but for 16-bit colour; predicting goes through here.
"""

from srgan.pictures.arrays import from_array, to_array
from srgan.pictures.enlarging import fill_transparent, upscale_picture
from srgan.pictures.modes import Pixels
from srgan.pictures.picture import Picture, PictureFormatError
from srgan.pictures.pillow import from_image, to_image
from srgan.pictures.reading import EXTENSIONS, read_levels, read_pictures
from srgan.pictures.sixteen_bits import is_deep_colour
from srgan.pictures.writing import FORMATS, colours_lost, require_quality, require_writable, write_pictures
from srgan.ranges import require_unit

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "Picture",
    "PictureFormatError",
    "Pixels",
    "colours_lost",
    "fill_transparent",
    "from_array",
    "from_image",
    "is_deep_colour",
    "read_levels",
    "read_pictures",
    "require_quality",
    "require_unit",
    "require_writable",
    "to_array",
    "to_image",
    "upscale_picture",
    "write_pictures",
]
