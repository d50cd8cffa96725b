"""Enlarging pictures with a trained generator: pure tensor functions, in tiles without seams, on any device."""

from srgan.inference.fidelity import Consistent, SelfEnsemble
from srgan.inference.precision import Precision, with_precision
from srgan.inference.tile_layout import TileSize, require_tiles, warn_of_small_tiles
from srgan.inference.tiling import in_levels, new_canvas, upscale
from srgan.inference.trust import trust_map
from srgan.inference.wrapper import Network, for_inference

__all__ = [
    "Consistent",
    "Network",
    "Precision",
    "SelfEnsemble",
    "TileSize",
    "for_inference",
    "in_levels",
    "new_canvas",
    "require_tiles",
    "trust_map",
    "upscale",
    "warn_of_small_tiles",
    "with_precision",
]
