"""Reading and writing pictures: the one owner of files, colour order, bit depth and range.

Inside the project a picture is float RGB in [0, 1]; on disk it is whatever Pillow reads. Transparent pixels are laid
on white, 16 bits are reduced to 8, EXIF orientation is applied.
"""

import io
import os
import re
import struct
import warnings
import zlib
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError, features
from torch import Tensor

from srgan.pictures.value_ranges import require_16_bits, require_unit
from srgan.system.files import atomic_write, listed

_JPEG_2000 = frozenset({".jp2", ".j2k", ".jpf", ".jpx"} if features.check("jpg_2000") else ())
_AVIF = frozenset({".avif"} if features.check("avif") else ())
_JPEG, _PORTABLE = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}), frozenset({".pbm", ".pgm", ".ppm", ".pnm"})
EXTENSIONS = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp"}) | _JPEG | _JPEG_2000 | _AVIF | _PORTABLE
# Pictures all the same: whoever has some in a folder is told that they are left out.
_CAMERAS_OWN = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"})
_OTHER_PICTURES = _CAMERAS_OWN | frozenset(
    {".gif", ".apng", ".avif", ".jp2", ".j2k", ".jpf", ".jpx", ".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".psd"}
    | {".tga", ".ico", ".exr", ".hdr"}
)
_UNREAD_KINDS = {  # and how their files begin
    "a HEIC picture": rb".{4}ftyp(hei[cxmsfv]|hev[cxms]|mif1|msf1)",
    "an AVIF picture": rb".{4}ftypavi[fs]",
    "a JPEG XL picture": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "a JPEG XR picture": rb"II\xbc",
    "a camera's own CR3 picture": rb".{4}ftypcrx",
    "an OpenEXR picture": rb"\x76\x2f\x31\x01",
    "an SVG drawing": rb"(\xef\xbb\xbf)?\s*(<svg|<(\?xml|!--|!DOCTYPE).*<svg)",
    "a PDF document": rb"%PDF-",
}
_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})  # that pixels depend on, though their names say no
_LARGEST_CHUNK = 2**26  # bytes; profiles of displays take megabytes, the texts of generators more
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _LARGEST_CHUNK)
PngImagePlugin.MAX_TEXT_MEMORY = max(PngImagePlugin.MAX_TEXT_MEMORY, 4 * _LARGEST_CHUNK)
_WHITE = (255, 255, 255, 255)
_PLANES_APART = 2  # TIFF's PlanarConfiguration
_WHITE_IS_ZERO = 0  # TIFF's PhotometricInterpretation
_SIGNED = 2  # TIFF's SampleFormat
_CODESTREAM, _FIRST_DEPTH = b"\xff\x4f\xff\x51", 42  # JPEG 2000: SOC and SIZ, and how far behind Ssiz is
_BITS = "bits of a channel"  # where `note_depth` puts them
_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


Stored = Path | io.BytesIO  # where a file is


class ImageReadError(ValueError):
    """A file that should be a picture cannot be read as one; the message names it."""


class LeftOutWarning(UserWarning):
    """Some files or folders of a collection are not used; the message lists them."""


def find_images(root: Path) -> list[Path]:
    """All picture files under a folder, recursively, in the order of their names.

    Links to folders are followed, each folder once however many links lead to it, so that loops end.

    Args:
        root: A folder.

    Returns:
        Paths with a known extension, sorted; hidden files and folders left out.

    Raises:
        FileNotFoundError: If ``root`` is no folder, or holds no picture.

    Warns:
        LeftOutWarning: If folders cannot be looked into, or hold pictures of other kinds.
    """
    require_folder(root)
    refused: list[OSError] = []
    files = [path for path in _visible_files(root, refused.append) if _is_file(path)]
    paths = sorted(path for path in files if path.suffix.lower() in EXTENSIONS)
    reasons = listed([f"{error.filename}: {error.strerror}" for error in refused])
    others = left_out(files, taken=EXTENSIONS)
    if not paths:
        closed = f" These folders cannot be looked into:{reasons}" if refused else ""
        closed += f" {others}" if others else ""
        raise FileNotFoundError(
            f"Expected pictures ({', '.join(sorted(EXTENSIONS))}) under {root}, found none.{closed}"
        )
    if refused:
        message = f"Left out {len(refused)} folders under {root} that cannot be looked into:{reasons}"
        warnings.warn(message, LeftOutWarning, stacklevel=2)
    if others:
        warnings.warn(others, LeftOutWarning, stacklevel=2)
    return paths


def left_out(files: Iterable[Path], *, taken: Container[str]) -> str | None:
    """What to say of the pictures among some files whose endings are not ``taken``; None if there are none."""
    others = [path for path in pictures_of_other_kinds(files) if path.suffix.lower() not in taken]
    if not others:
        return None
    counts = Counter(path.suffix.lower() for path in others)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
    told = f"Left out {len(others)} pictures of kinds that are not read here ({kinds}); save them as PNG or JPEG:"
    return told + listed([str(path) for path in others])


def pictures_of_other_kinds(files: Iterable[Path]) -> list[Path]:
    """Those of some files that are pictures by their endings, though not of ``EXTENSIONS``, in the order of names."""
    return sorted(path for path in files if path.suffix.lower() in _OTHER_PICTURES - EXTENSIONS)


def other_pictures(root: Path) -> list[Path]:
    """Those under a folder."""
    return pictures_of_other_kinds(path for path in _visible_files(root, lambda _: None) if _is_file(path))


def closed_folders(root: Path) -> list[OSError]:
    """What goes wrong with the folders under ``root`` that cannot be looked into; each error names its folder."""
    refused: list[OSError] = []
    deque(_visible_files(root, refused.append), maxlen=0)
    return refused


def require_folder(root: Path) -> None:
    """Raise FileNotFoundError, saying why, unless ``root`` is a folder."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"Expected a folder of pictures, but {root} {'is a file' if root.exists() else 'does not exist'}."
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise FileNotFoundError(f"Expected a folder of pictures, but {root} cannot be looked into: permission denied.")


def read_uint8(path: Path) -> Tensor:
    """Read a picture file as 8-bit RGB.

    Args:
        path: A PNG, JPEG, WebP, TIFF or BMP file of any colour mode.

    Returns:
        Shape (3, H, W), uint8.

    Raises:
        ImageReadError: If the file is missing, empty, truncated, no picture, a TIFF of 16-bit planes, or one of values
            that are neither 16 bits nor floats in [0, 1].
    """
    with reading(path), opened(readable(path)) as image:
        refuse_misread(image)
        note_depth(image)
        ImageOps.exif_transpose(image, in_place=True)  # a copy would not know the file's depth
        pixels = np.array(_to_rgb(full_range(image)))
        if is_negative(image):
            pixels = 255 - pixels
    return torch.from_numpy(pixels).permute(2, 0, 1)


def readable(stored: Stored) -> Stored:
    """A file as Pillow reads it: of a PNG whose text or the like is damaged, a copy in memory without that."""
    with stored.open("rb") if isinstance(stored, Path) else io.BytesIO(stored.getvalue()) as file:
        damaged = _damaged_chunks(file) if file.read(len(_PNG)) == _PNG else []
        if not damaged:
            return stored
        file.seek(0)
        content = file.read()
    ends = [0, *(end for _, end in damaged)]
    return io.BytesIO(b"".join(content[a:b] for a, b in zip(ends, [*(each for each, _ in damaged), None], strict=True)))


def opened(stored: Stored) -> ImageFile.ImageFile:
    """Open a picture file.

    Raises:
        ValueError: If it is of a kind that Pillow does not read; the message names the kind.
        UnidentifiedImageError: If it is of no kind that is known.
    """
    try:
        return Image.open(stored)
    except UnidentifiedImageError as error:
        with stored.open("rb") if isinstance(stored, Path) else io.BytesIO(stored.getvalue()) as file:
            head = file.read(1024)
        kind = next((kind for kind, pattern in _UNREAD_KINDS.items() if re.match(pattern, head, re.DOTALL)), None)
        if kind is None:
            raise
        raise ValueError(f"it is {kind}, which is not read here; save it as JPEG or PNG") from error


def _damaged_chunks(file: BinaryIO) -> list[tuple[int, int]]:
    """Where the chunks of a PNG that no pixel depends on begin and end, if their checksums are wrong."""
    damaged = []
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        start = file.tell() - 8
        if name[:1].islower() and name not in _PIXEL_CHUNKS and length <= _LARGEST_CHUNK:
            if struct.pack(">I", zlib.crc32(name + file.read(length))) != file.read(4):
                damaged.append((start, file.tell()))
        else:
            file.seek(length + 4, 1)
    return damaged


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises of a picture file into an ImageReadError that names the file and the reason."""
    try:
        yield
    except ImageReadError:  # says all that there is to say
        raise
    except FileNotFoundError as error:
        raise ImageReadError(f"Expected a picture, but {path} does not exist.") from error
    except IsADirectoryError as error:
        raise ImageReadError(f"Expected a picture, but {path} is a folder.") from error
    except UnidentifiedImageError as error:
        reason = "the file is empty" if path.is_file() and path.stat().st_size == 0 else "its content is no picture"
        raise ImageReadError(f"Cannot read {path}: {reason}. Replace or remove it.") from error
    except _UNREADABLE as error:
        raise ImageReadError(f"Cannot read {path}: {error}. Replace or remove it.") from error


def refuse_misread(image: Image.Image) -> None:
    """Raise ValueError of TIFFs that Pillow reads wrongly: of signed bytes, or of some channels one after another."""
    tags = getattr(image, "tag_v2", {})
    depths = tags.get(258, ())
    if tags.get(339, ())[:1] == (_SIGNED,) and depths[:1] == (8,):
        raise ValueError("it is a TIFF of 8 bits with a sign; save it without")
    if tags.get(284) == _PLANES_APART and (depths[1:2] == (16,) or len(depths) == 2):
        kind = "gray with alpha" if len(depths) == 2 else "16 bits"
        raise ValueError(f"it is a TIFF of {kind} with its channels in separate planes; save it with interleaved ones")


def note_depth(image: Image.Image) -> None:
    """Note the depth of a JPEG 2000 file before it is loaded: Pillow shifts values to 8 or 16 bits and says nothing.

    Raises:
        ValueError: If they are shifted down, in which Pillow rounds white up to the next number: black.
    """
    file = getattr(image, "fp", None)
    if image.format == "JPEG2000" and file is not None:
        place = file.tell()
        file.seek(0)
        content = file.read()
        file.seek(place)
        depth = content.find(_CODESTREAM) + _FIRST_DEPTH
        image.info[_BITS] = bits = (content[depth] & 0x7F) + 1
        if bits > 8 and not is_deep(image):
            raise ValueError(f"it is a JPEG 2000 of {bits} bits that is not plain gray; save it as PNG or TIFF")


def full_range(image: Image.Image) -> Image.Image:
    """A loaded picture of fewer than 8 bits with 255 for its white, where Pillow has shifted its values up to 8."""
    bits = image.info.get(_BITS, 8)
    if bits >= 8:
        return image
    white = 2**bits - 1
    return image.point([round(min(value >> (8 - bits), white) * 255 / white) for value in range(256)] * len(image.mode))


def _deep_white(image: Image.Image) -> int:
    """The number that stands for white in gray of more than 8 bits."""
    tags = getattr(image, "tag_v2", {})
    depth = tags.get(258, (16,))[0]
    if depth == 16 and tags.get(339, ())[:1] == (_SIGNED,):
        return 32767
    bits: int = image.info.get(_BITS, 16)
    return 4095 if depth == 12 else 65536 - 2 ** (16 - bits)


def is_deep(image: Image.Image) -> bool:
    """Whether a picture is gray of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def deep_gray(image: Image.Image) -> NDArray[np.uint16]:
    """The values of such a picture at 16 bits, the file's own white at 65535, shape (H, W).

    Raises:
        ValueError: If they are floats beyond [0, 1], or integers beyond 16 bits.
    """
    values = np.asarray(image)
    if image.mode.startswith("F"):  # a TIFF of floats in [0, 1]
        require_unit(float(values.min()), float(values.max()), what="a picture of floats")
        values = values * np.float32(65535)
    else:
        require_16_bits(int(values.min()), int(values.max()))
        if (white := _deep_white(image)) != 65535:
            values = values * (65535 / white)
    levels: NDArray[np.uint16] = np.clip(values, 0, 65535).round().astype(np.uint16)
    return levels


def is_negative(image: Image.Image) -> bool:
    """Whether an opened file is one of those, of more than 8 bits, whose zero is white; Pillow turns others round."""
    return is_deep(image) and image.format == "TIFF" and getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO


def read_image(path: Path) -> Tensor:
    """Read a picture file as float RGB in [0, 1], shape (1, 3, H, W).

    Raises:
        ImageReadError: If the file cannot be read as a picture.
    """
    return to_float(read_uint8(path)).unsqueeze(0)


def write_image(path: Path, image: Tensor) -> None:
    """Write a picture as 8-bit PNG, whole or not at all.

    Args:
        path: The file; its folder is made if need be.
        image: Float RGB around [0, 1], shape (1, 3, H, W) or (3, H, W); clamped.
    """
    pixels = to_uint8(image.reshape(3, *image.shape[-2:])).permute(1, 2, 0).cpu().numpy()
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="PNG")


def to_float(pixels: Tensor) -> Tensor:
    """Map uint8 to float32 in [0, 1]."""
    return pixels.float() / 255


def to_uint8(images: Tensor) -> Tensor:
    """Map float in [0, 1] to uint8: clamped and rounded to the nearest level."""
    return (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)


def _visible_files(root: Path, on_error: Callable[[OSError], object]) -> Iterator[Path]:
    seen: set[str] = set()
    tops = deque([root])
    while tops:  # first what lies under root itself, then what links lead to: so that no link renames it
        for folder, subfolders, names in os.walk(tops.popleft(), onerror=on_error):
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            tops.extend(Path(folder, name) for name in subfolders if os.path.islink(os.path.join(folder, name)))
            yield from (Path(folder, name) for name in names if not name.startswith("."))


def _is_file(path: Path) -> bool:
    """Also of a link to what is not there, so that it is named by whoever reads it."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _to_rgb(image: Image.Image) -> Image.Image:
    if is_deep(image):  # Pillow's own conversion clips 16 bits at 255, which turns nearly every such picture white
        return Image.fromarray((deep_gray(image) / 65535 * 255).round().astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("RGB")
    return image.convert("RGB")
