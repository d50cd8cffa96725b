"""Image descriptions in which programs say how a TIFF stores its pixels: they are not true of any other file.

tifffile writes JSON, ImageJ lines of which the first names it, microscopes OME-XML. By its lines, ImageJ would look for
the pages of a new file where those of the old one were.
"""

import json

from PIL import ExifTags

from srgan.pictures.metadata.exif import Directory, Entry

_TIFFFILE, _IMAGEJ, _XML = b'{"shape":', b"ImageJ=", b"<"  # how they begin
_OME = (b"</OME>", b":OME>")  # how OME-XML ends
_SHAPE = ("shape", "axes", "truncated")  # what tifffile says of it, beside what its users do
_ASCII = 2


def without_layout(tags: Directory) -> Directory:
    """A block's first directory without such a description, or with what else the description says."""
    entry = tags.get(ExifTags.Base.ImageDescription)
    if not isinstance(entry, Entry):
        return tags
    text = entry.data.strip(b"\0 \r\n")
    if not text.startswith((_TIFFFILE, _IMAGEJ)) and not (text.startswith(_XML) and text.endswith(_OME)):
        return tags
    others = {tag: value for tag, value in tags.items() if tag != ExifTags.Base.ImageDescription}
    kept = _said_besides(text) if text.startswith(_TIFFFILE) else b""
    return {**others, ExifTags.Base.ImageDescription: Entry(_ASCII, len(kept), kept)} if kept else others


def _said_besides(text: bytes) -> bytes:
    """The JSON of tifffile without the shape, as bytes to store; empty if nothing else is in it."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):  # somebody else's, then
        return text + b"\0"
    left = {name: value for name, value in said.items() if name not in _SHAPE}
    return json.dumps(left).encode() + b"\0" if left else b""
