"""Reading picture files of users: every frame, at full depth, with alpha, profile and EXIF."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from srgan.pictures import find, metadata
from srgan.pictures.decoded.deep_colour import read_deep
from srgan.pictures.decoded.picture import Picture
from srgan.pictures.decoded.pillow import from_image
from srgan.pictures.decoded.pillow_modes import Pixels, pixels_of, prepare
from srgan.pictures.errors import ImageReadError, reading
from srgan.pictures.metadata import captions, colours
from srgan.pictures.metadata.chunks import kept_chunks
from srgan.pictures.metadata.colours import Chunk
from srgan.pictures.open_file import Stored, opened, readable, reopened

EXTENSIONS = find.EXTENSIONS | {".gif", ".apng"}  # what a folder is searched for
_ANIMATIONS = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_REDUCED_PAGE = 1  # bit of TIFF's NewSubfileType: a page that is a preview of another
_pillow_limit = threading.RLock()


def read_pictures(source: Path | BinaryIO, *, max_pixels: int, scale: int = 4) -> list[Picture]:
    """Read all frames or pages of a picture file.

    Args:
        source: A file of any format that Pillow reads, or a stream of one, which is read to its end.
        max_pixels: Largest number of pixels of all frames together; checked before any is decoded.
        scale: How many times the picture will be enlarged, for the message about a file that is too large.

    Returns:
        One picture for most files; the frames of an animation (GIF, WebP, APNG) or the pages of a TIFF.

    Raises:
        ImageReadError: If the file is missing, empty, truncated, no picture, or has more than ``max_pixels``.
    """
    name = source if isinstance(source, Path) else Path(str(getattr(source, "name", "stream")).strip("<>"))
    with reading(name), _without_pillow_limit():
        stored = readable(source if isinstance(source, Path) else _Stored(source))
        return _read_frames(stored, name, max_pixels, scale)


def read_levels(path: Path, *, max_pixels: int | None) -> Pixels:
    """Read the first frame or page of a picture file, upright, without converting it to floats.

    Args:
        path: A file of any format that Pillow reads.
        max_pixels: Largest number of pixels of the frame; with None Pillow's own limit applies, and threads may read in
            parallel.

    Raises:
        ImageReadError: As above.
    """
    with reading(path), nullcontext() if max_pixels is None else _without_pillow_limit():
        stored = readable(path)
        with opened(stored, max_pixels=max_pixels) as image:
            index = _first_frame(image)
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise ImageReadError(
                    f"Cannot read {path}: expected at most {max_pixels} pixels, after max_pixels, but it has"
                    f" {image.width}x{image.height}. If it is what it claims to be, raise max_pixels."
                )
            deep, chunks = read_deep(image, stored, index), _chunks(image, stored)
            prepare(image)
            image.load()
            pixels, turn = deep or pixels_of(image), metadata.orientation(image)
    values = metadata.upright(pixels.colours, turn)
    return pixels._replace(
        colours=values,
        alpha=None if pixels.alpha is None else metadata.upright(pixels.alpha, turn),
        icc_profile=pixels.icc_profile or colours.profile_of_chunks(chunks, gray=values.shape[-1] == 1),
    )


def read_size(path: Path, *, max_pixels: int) -> tuple[tuple[int, int], int]:
    """The height and width of a file's first frame and its number of frames, from its header.

    Raises:
        ImageReadError: If it is no picture, or its first frame has more than ``max_pixels``.
    """
    with reading(path), _without_pillow_limit(), opened(readable(path), max_pixels=max_pixels) as image:
        if image.width * image.height > max_pixels:
            raise ImageReadError(_too_large(image, path, image.width * image.height, max_pixels, scale=4))
        return (image.height, image.width), len(_frames(image))


def _first_frame(image: ImageFile.ImageFile) -> int:
    """Go to the first frame that is no preview, or else to the last frame; returns its number."""
    index = 0
    for index in _frames(image):
        if index:  # a HEIC opens at its main picture, which need not be the first
            image.seek(index)
        if not _is_preview(image):
            break
    return index


def _read_frames(stored: Stored, name: Path, max_pixels: int, scale: int) -> list[Picture]:
    pictures, pixels = [], 0
    with opened(stored, max_pixels=max_pixels) as image:
        chunks, (comments, iptc) = _chunks(image, stored), _captions(image, stored)
        for index in _frames(image):
            if index:
                image.seek(index)
            pixels += image.width * image.height
            if pixels > max_pixels:
                raise ImageReadError(_too_large(image, name, pixels, max_pixels, scale))
            if not _is_preview(image):
                if image.format == "TIFF":
                    iptc = _of_page(stored, index)
                frame = _read_frame(image, stored, index)
                pictures.append(replace(frame, chunks=chunks, comments=comments, iptc=iptc))
    if not pictures:
        raise ValueError("it holds previews only")
    return pictures


def _chunks(image: Image.Image, stored: Stored) -> tuple[Chunk, ...]:
    """What a file states about its colours besides a profile, as PNG chunks; and the text of a PNG."""
    if image.format not in ("PNG", "AVIF", "HEIF"):
        return ()
    with reopened(stored) as file:
        if image.format == "PNG":
            return kept_chunks(file)
        return () if image.info.get("icc_profile") else colours.from_nclx(file.read())


def _captions(image: Image.Image, stored: Stored) -> tuple[tuple[bytes, ...], bytes | None]:
    if image.format not in ("JPEG", "MPO"):
        return (), None
    with reopened(stored) as file:
        return captions.of_jpeg(file)


def _of_page(stored: Stored, index: int) -> bytes | None:
    with reopened(stored) as file:
        return captions.of_tiff(file, index)


class _Stored(io.BytesIO):
    """A stream's bytes; reports an empty stream, since there is no file whose size could tell."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream.read())
        if not self.getbuffer().nbytes:
            raise ValueError("nothing came")


def _frames(image: Image.Image) -> range:
    """Which of a file's images are frames or pages; a phone's MPO has others besides, and PSD has layers."""
    if image.format not in _ANIMATIONS and image.format != "TIFF":
        return range(1)
    first = 1 if getattr(image, "default_image", False) else 0  # shown only by programs that do not know APNG
    return range(first, getattr(image, "n_frames", 1))


def _is_preview(image: Image.Image) -> bool:
    return image.format == "TIFF" and bool(getattr(image, "tag_v2", {}).get(254, 0) & _REDUCED_PAGE)


def _too_large(image: Image.Image, name: Path, pixels: int, max_pixels: int, scale: int) -> str:
    frames = getattr(image, "n_frames", 1)
    return (
        f"Cannot read {name}: expected at most max_pixels={max_pixels} pixels, but it has {image.width}x{image.height}"
        f"{f' in {frames} frames' if frames > 1 else ''}, at least {pixels}, which would become {pixels * scale**2}. "
        "If it is what it claims to be, raise max_pixels."
    )


def _read_frame(image: Image.Image, stored: Stored, index: int) -> Picture:
    moves = image.format in _ANIMATIONS and getattr(image, "n_frames", 1) > 1
    deep = read_deep(image, stored, index)
    return replace(
        from_image(image, deep=deep),
        duration=float(image.info.get("duration", 0)) if moves else None,
        loop=int(image.info.get("loop", 1)) if moves else None,  # a GIF without a loop count plays once
    )


@contextmanager
def _without_pillow_limit() -> Iterator[None]:
    """Replace Pillow's own limit by ours; one reader at a time, since there is one limit per process."""
    with _pillow_limit, warnings.catch_warnings():
        # About odd EXIF blocks and the like; errors still raise. Only Pillow's, since other threads may warn meanwhile.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
