"""Everything that can go wrong with a picture file, as one error that names the file and the reason."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
_BROKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError)


class ImageReadError(ValueError):
    """A file that should be a picture cannot be read as one; the message names it."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises about a picture file into an ImageReadError that names the file and the reason."""
    try:
        yield
    except ImageReadError:  # already complete
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
    except _BROKEN as error:  # what Pillow raises on damage that it does not check for
        reason = f"the file is damaged ({type(error).__name__}: {error})"
        raise ImageReadError(f"Cannot read {path}: {reason}. Replace or remove it.") from error
