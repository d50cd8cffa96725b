"""Writes pictures in the requested format, or says why that format cannot hold them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from PIL import features
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from srgan.pictures import metadata
from srgan.pictures.decoded.bands import as_shares
from srgan.pictures.decoded.picture import Picture, PictureFormatError
from srgan.pictures.decoded.pillow import pixels_as_image, profile_of, saving_options, stated_profile
from srgan.pictures.metadata import captions, colours
from srgan.pictures.metadata.exif import Block, parse
from srgan.pictures.png import write_png
from srgan.pictures.tiff import is_stored_gray, write_tiff
from srgan.system.files import atomic_write

# What can be requested besides `same`.
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "avif": "AVIF", "tiff": "TIFF"}
_AS_BEFORE = frozenset([*FORMATS.values(), "GIF", "BMP"])  # what `same` can mean
_LARGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "GIF": 65535, "AVIF": 16384}  # readers refuse a larger AVIF
_MOVING = ("PNG", "WEBP", "GIF", "AVIF")
_COLOURS_ALONE = ("WEBP", "AVIF")  # Pillow reads gray from these as three colours
_FULL_CHROMA_QUALITY = 90
_LARGEST_JPEG_EXIF = 65533


def write_pictures(
    target: Path | BinaryIO, frames: Sequence[Picture], *, format: str, quality: int, png_level: int = 1
) -> None:
    """Write a picture, the frames of an animation, or pages; a path whole or not at all.

    Args:
        target: The file, whose folder is created if necessary, or a stream.
        frames: As from `read_pictures`, enlarged or not.
        format: ``png``, ``jpg``, ``webp``, ``avif``, ``tiff`` or ``same`` as the file that was read.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        png_level: Of PNG, 1 (fast) to 9 (small).

    Raises:
        PictureFormatError: If the format cannot hold the pictures.
        OSError: If they cannot be written.
    """
    pillow_format = require_writable(frames, format=format)
    require_quality(quality, png_level)
    write, number = _WRITERS[pillow_format], png_level if pillow_format == "PNG" else quality
    if isinstance(target, Path):
        with atomic_write(target) as file:
            write(file, frames, number)
        return
    if target.seekable() and target.tell() == 0:
        write(target, frames, number)
        return
    encoded = io.BytesIO()  # encoders seek
    write(encoded, frames, number)
    target.write(encoded.getbuffer())


def require_quality(quality: int, png_level: int = 1) -> None:
    """Raise ValueError unless JPEG, WebP and AVIF have this quality, and PNG this level."""
    if not 1 <= quality <= 100:
        raise ValueError(f"Expected quality from 1 to 100, got {quality}.")
    if not 1 <= png_level <= 9:
        raise ValueError(f"Expected png_level from 1 to 9, got {png_level}.")


def require_writable(frames: Sequence[Picture], *, format: str, side: int | None = None) -> str:
    """Check that a format can hold pictures, before they are enlarged.

    Args:
        frames: The pictures.
        format: As above.
        side: Their longest side once enlarged, in pixels; None for their own.

    Returns:
        Pillow's name of the format.

    Raises:
        PictureFormatError: If it cannot; the message names formats that can.
    """
    first = frames[0]
    pillow_format = first.format if format == "same" else FORMATS.get(format, format)
    if pillow_format not in _AS_BEFORE:
        raise PictureFormatError(f"Cannot write {pillow_format}; choose one of format={'|'.join(FORMATS)}.")
    if pillow_format == "AVIF" and not features.check("avif"):
        raise PictureFormatError("This Pillow writes no AVIF: update it to 11.3 or later, or choose format=webp.")
    if len(frames) > 1 and first.duration is not None and pillow_format not in _MOVING:
        raise PictureFormatError(
            f"{pillow_format} holds no animation, but this one has {len(frames)} frames; choose format=png, webp or"
            " avif."
        )
    if len(frames) > 1 and first.duration is None and pillow_format != "TIFF":
        raise PictureFormatError(f"{pillow_format} holds no pages, but there are {len(frames)}; choose format=tiff.")
    if pillow_format == "JPEG" and any(_is_clear_somewhere(frame) for frame in frames):
        raise PictureFormatError(
            "JPEG holds no transparency, but this picture has some; choose format=png, webp or avif."
        )
    largest = _LARGEST_SIDE.get(pillow_format)
    side = side or max(max(frame.size) for frame in frames)
    if largest and side > largest:
        raise PictureFormatError(
            f"{pillow_format} holds at most {largest} pixels a side, but there would be {side}; choose format=png."
        )
    return pillow_format


def colours_lost(picture: Picture, *, format: str) -> str | None:
    """What a format cannot state about a picture's colours, for a warning; None if nothing is lost.

    Args:
        picture: The picture.
        format: Pillow's name of the format, as ``require_writable`` gives it.
    """
    gray = is_stored_gray(picture) if format == "TIFF" else picture.gray and format not in _COLOURS_ALONE
    profile = stated_profile(picture, gray=gray)
    if picture.icc_profile and not profile_of(picture, gray=gray):
        return "its profile is not one of the colours that are written; it is left out, and the result taken for sRGB"
    if (profile and format in ("GIF", "BMP")) or (
        format != "PNG" and not profile and colours.beyond_profiles(picture.chunks)
    ):
        return f"{format} cannot say what its colours are; the result is taken for sRGB. format=png can"
    return None


def _is_clear_somewhere(picture: Picture) -> bool:
    return picture.alpha is not None and bool(as_shares(picture.alpha).min() < 1)


def _write_png(file: BinaryIO, frames: Sequence[Picture], level: int) -> None:
    if len(frames) > 1:
        _write_moving(file, frames, "PNG", compress_level=level)
    else:
        write_png(file, frames[0], icc_profile=profile_of(frames[0], gray=frames[0].gray), level=level)


def _write_tiff(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    write_tiff(file, frames, profiles=[stated_profile(frame, gray=is_stored_gray(frame)) for frame in frames])


def _write_jpeg(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    picture = replace(frames[0], alpha=None)
    options = saving_options(picture, gray=picture.gray)
    if len(options.get("exif", b"")) > _LARGEST_JPEG_EXIF:
        del options["exif"]  # too long for a JPEG
    if quality >= _FULL_CHROMA_QUALITY:
        options["subsampling"] = "4:4:4"
    if segments := captions.as_segments(picture.comments, picture.iptc):
        options["extra"] = segments
    pixels_as_image(picture, gray=picture.gray).save(file, "JPEG", quality=quality, **options)


def _write_webp(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    # `exact` keeps the colours of transparent pixels; without them, enlarging the result again shows a fringe.
    if len(frames) > 1:
        # Whole frames: if each piece were opaque, the file would be marked as having no transparency.
        pieces = {"kmax": 1} if any(frame.alpha is not None for frame in frames) else {}
        _write_moving(file, frames, "WEBP", quality=quality, exact=True, **pieces)
        return
    options = _with_resolution_in_exif(frames[0])
    pixels_as_image(frames[0], gray=False).save(file, "WEBP", quality=quality, exact=True, **options)


def _write_avif(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    options: dict[str, Any] = {"subsampling": "4:4:4"} if quality >= _FULL_CHROMA_QUALITY else {}
    if len(frames) > 1:
        _write_moving(file, frames, "AVIF", quality=quality, **options)
        return
    options |= _with_resolution_in_exif(frames[0])
    pixels_as_image(frames[0], gray=False).save(file, "AVIF", quality=quality, **options)


def _with_resolution_in_exif(picture: Picture) -> dict[str, Any]:
    """Options for Pillow's savers, for formats that can store a resolution only in EXIF."""
    block = (picture.exif and parse(picture.exif)) or Block("<", {})
    return {
        **saving_options(picture, gray=False),
        "exif": metadata.with_resolution(block, picture.dpi).tobytes(),
    }


def _write_gif(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    hard = [frame if frame.alpha is None else replace(frame, alpha=_hardened(frame.alpha)) for frame in frames]
    _write_moving(file, hard, "GIF", disposal=2 if any(frame.alpha is not None for frame in frames) else 0)


def _hardened(alpha: Tensor) -> Tensor:
    """Opacity as levels, either fully visible or not at all."""
    return (as_shares(alpha) > 0.5).to(torch.uint8) * 255


def _write_bmp(file: BinaryIO, frames: Sequence[Picture], quality: int) -> None:
    picture = frames[0]
    gray = picture.gray and picture.alpha is None
    options = {"dpi": picture.dpi} if picture.dpi else {}
    pixels_as_image(picture, gray=gray).save(file, "BMP", **options)


def _write_moving(file: BinaryIO, frames: Sequence[Picture], pillow_format: str, **options: Any) -> None:
    first = frames[0]
    gray = all(frame.gray and frame.alpha is None for frame in frames) and pillow_format not in _COLOURS_ALONE
    if len(frames) > 1:
        durations = [frame.duration or 0 for frame in frames]
        options |= {
            "save_all": True,
            "duration": durations if pillow_format == "PNG" else [round(d) for d in durations],
        }
        if not (pillow_format == "GIF" and first.loop == 1):  # which a GIF says by having no loop count
            options["loop"] = first.loop or 0
    options |= saving_options(first, gray=gray) if pillow_format != "GIF" else {}
    if pillow_format == "PNG":
        options |= {"icc_profile": profile_of(first, gray=gray), "pnginfo": _as_info(first.chunks)}
    pictures = [pixels_as_image(frame, gray=gray, alpha=any(f.alpha is not None for f in frames)) for frame in frames]
    pictures[0].save(file, pillow_format, append_images=pictures[1:], **options)


def _as_info(chunks: Sequence[tuple[bytes, bytes]]) -> PngInfo:
    info = PngInfo()
    for name, data in chunks:
        info.add(name, data)
    return info


_WRITERS: dict[str, Callable[[BinaryIO, Sequence[Picture], int], None]] = {
    "PNG": _write_png,
    "JPEG": _write_jpeg,
    "WEBP": _write_webp,
    "AVIF": _write_avif,
    "TIFF": _write_tiff,
    "GIF": _write_gif,
    "BMP": _write_bmp,
}
