"""A generator for other programs: what ``srgan export`` writes.

BatchNorm is folded, any height, width and batch size work where the format allows it, and the file says what goes in
and what comes out. Each is read again and compared with the generator it was made from before it takes its place.
"""

from srgan.export.export import TOLERANCE, export_generator
from srgan.export.hub_folder import push_folder, require_login
from srgan.export.parity import ExportError, largest_difference
from srgan.export.torchscript_file import DESCRIPTION

__all__ = [
    "DESCRIPTION",
    "TOLERANCE",
    "ExportError",
    "export_generator",
    "largest_difference",
    "push_folder",
    "require_login",
]
