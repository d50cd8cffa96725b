"""Finds the picture files under a folder, and the partner of a picture by its name."""

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from PIL import features

from srgan.pictures import extra_kinds
from srgan.system.files import listed

_JPEG_2000 = frozenset({".jp2", ".j2k", ".jpf", ".jpx"} if features.check("jpg_2000") else ())
_AVIF = frozenset({".avif"} if features.check("avif") else ())
_JPEG, _PORTABLE = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}), frozenset({".pbm", ".pgm", ".ppm", ".pnm"})
_EXTRA = frozenset().union(*extra_kinds.EXTENSIONS.values())
_PLAIN = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp"}) | _JPEG | _JPEG_2000 | _AVIF | _PORTABLE
EXTENSIONS = _PLAIN | extra_kinds.readable_extensions()
# Also pictures, but not read here: a message says how many in a folder are left out.
_CAMERAS_OWN = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"})
_OTHER_PICTURES = (_CAMERAS_OWN | _EXTRA) | frozenset(
    {".gif", ".apng", ".avif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxr", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr"}
)


class LeftOutWarning(UserWarning):
    """Some files or folders of a collection are not used; the message lists them."""


def find_images(root: Path) -> list[Path]:
    """All picture files under a folder, recursively, in the order of their names.

    Args:
        root: A folder, searched by ``walk``.

    Returns:
        Paths with a known extension, sorted; hidden files and folders left out.

    Raises:
        FileNotFoundError: If ``root`` is no folder, or holds no picture.

    Warns:
        LeftOutWarning: If folders cannot be looked into, or hold pictures of other kinds.
    """
    require_folder(root)
    refused: list[OSError] = []
    files = list(_files(root, refused.append))
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
    """A message about the pictures whose extension is not ``taken``; None if there are none."""
    others = [path for path in pictures_of_other_kinds(files) if path.suffix.lower() not in taken]
    if not others:
        return None
    counts = Counter(path.suffix.lower() for path in others)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
    install = f", or {extra_kinds.INSTALL}" if _EXTRA & counts.keys() else ""
    told = (
        f"Left out {len(others)} pictures of kinds that are not read here ({kinds}); save them as PNG or JPEG{install}:"
    )
    return told + listed([str(path) for path in others])


def pictures_of_other_kinds(files: Iterable[Path]) -> list[Path]:
    """The files whose extension is that of a picture but not in ``EXTENSIONS``, sorted."""
    return sorted(path for path in files if path.suffix.lower() in _OTHER_PICTURES - EXTENSIONS)


def other_pictures(root: Path) -> list[Path]:
    """As ``pictures_of_other_kinds``, under a folder."""
    return pictures_of_other_kinds(_files(root, lambda _: None))


def closed_folders(root: Path) -> list[OSError]:
    """Errors of the folders under ``root`` that cannot be opened; each names its folder."""
    refused: list[OSError] = []
    deque(_files(root, refused.append), maxlen=0)
    return refused


def require_folder(root: Path) -> None:
    """Raise FileNotFoundError, saying why, unless ``root`` is a folder."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"Expected a folder of pictures, but {root} {'is a file' if root.exists() else 'does not exist'}."
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise FileNotFoundError(f"Expected a folder of pictures, but {root} cannot be looked into: permission denied.")


def walk(
    root: Path, *, on_error: Callable[[OSError], object], choose: Callable[[Path, list[str]], Iterable[str] | None]
) -> Iterator[Path]:
    """The files under a folder, including broken links, without hidden files and folders.

    Links to folders are followed; each folder is visited once however many links lead to it, so that loops end.

    Args:
        root: A folder.
        on_error: Called with the error of a folder that cannot be opened, which names it; such folders are skipped.
        choose: Picks the wanted names among a folder's files; None also skips the folders below it.
    """
    seen: set[str] = set()
    tops = deque([root])
    while tops:  # first what is under root itself, then the targets of links, so that no link changes a name
        for folder, subfolders, names in os.walk(tops.popleft(), onerror=on_error):
            real, here = os.path.realpath(folder), Path(folder)
            chosen = None if real in seen else choose(here, names)
            if chosen is None:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            tops.extend(here / name for name in subfolders if (here / name).is_symlink())
            yield from (here / name for name in chosen if not name.startswith("."))


def by_stem(root: Path) -> dict[str, Path]:
    """The pictures under a folder by their paths relative to it, without extension, as pairs are found.

    Raises:
        FileNotFoundError: If ``root`` is no folder, or holds no picture.
        ValueError: If two differ in nothing but their extension.
    """
    paths: dict[str, Path] = {}
    for path in find_images(root):
        other = paths.setdefault(stem_of(path.relative_to(root)), path)
        if other != path:
            raise ValueError(
                f"Expected one picture of a name, but {other} and {path} differ in their ending alone. Remove one, or"
                " rename it."
            )
    return paths


def stem_of(name: PurePath) -> str:
    """A relative path without extension, with forward slashes."""
    return name.with_suffix("").as_posix()


def lr_partner(stem: str, lr_paths: Mapping[str, Path], *, scale: int) -> Path | None:
    """The LR picture of an original: of the same stem, or with ``x<scale>`` behind it as in DIV2K (``0801x4.png``)."""
    return lr_paths.get(stem) or lr_paths.get(f"{stem}x{scale}")


def hr_partner(stem: str, hr_paths: Mapping[str, Path], *, scale: int) -> Path | None:
    """The original of an LR picture, by the same rule."""
    return hr_paths.get(stem) or hr_paths.get(stem.removesuffix(f"x{scale}"))


def _files(root: Path, on_error: Callable[[OSError], object]) -> Iterator[Path]:
    return (path for path in walk(root, on_error=on_error, choose=lambda _, names: names) if _is_file(path))


def _is_file(path: Path) -> bool:
    """True of a broken link, too, so that reading it reports its name."""
    return path.is_file() or (path.is_symlink() and not path.exists())
