"""Where results go: into a folder, or to the one file that was named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srgan.pictures import EXTENSIONS

# Endings that say in what format to write.
_FORMATS = {
    **{".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".avif": "avif"},
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
}


@dataclass(frozen=True)
class Place:
    """Where to write, and how.

    Args:
        folder: The folder.
        file: The name of the one result; None where results are called as their pictures.
        format: A key of ``SUFFIXES``.
    """

    folder: Path
    file: str | None
    format: str


def is_file_name(output: Path) -> bool:
    """Whether an output is a file: its name ends like a picture's, and no folder has it."""
    return output.suffix.lower() in EXTENSIONS and not output.is_dir()


def in_folder(output: Path, folder: str) -> Path:
    """An output in a folder of its own: below ``output``, or around the file that it names."""
    return output.parent / folder / output.name if is_file_name(output) else output / folder


def find_place(sources: Sequence[Path], output: Path, *, format: str | None) -> Place:
    """Take an output apart.

    Args:
        sources: What is to be enlarged.
        output: A folder, or the file for the result of one picture.
        format: As the user has it; None for what the file's ending says, and PNG in a folder.

    Raises:
        ValueError: If a file is to hold several pictures, or another format than its ending says.
    """
    if not is_file_name(output):
        return Place(output, None, format or "png")
    if len(sources) > 1 or sources[0].is_dir():
        raise ValueError(
            f"Expected output= to be a folder, for several pictures, got {output}, which ends like a picture."
        )
    ending, before = output.suffix.lower(), sources[0].suffix.lower()
    meant = _FORMATS.get(ending)
    if ending == before and (format == "same" or meant is None):
        meant = "same"
    if meant is None:
        raise ValueError(
            f"Expected output= to end in one of {', '.join(_FORMATS)}, or as the input does, got {output}."
        )
    if format not in (None, meant):
        raise ValueError(
            f"Expected output={output} and format={format} to agree. Leave format away, or end output otherwise."
        )
    return Place(output.parent, output.name, meant)
