"""Which picture files there are under a folder; and which of some files belongs to a picture, by its name."""

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

from PIL import features

from srgan.system.files import listed

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
