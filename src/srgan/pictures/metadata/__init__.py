"""What picture files say beside their pixels: EXIF, resolution, profiles, and a PNG's chunks."""

from srgan.pictures.metadata.block import (
    orientation,
    read_block,
    read_dpi,
    stated_orientation,
    upright,
    with_resolution,
)

__all__ = ["orientation", "read_block", "read_dpi", "stated_orientation", "upright", "with_resolution"]
