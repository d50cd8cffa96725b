"""Unpacks untrusted zip and tar archives, with a progress bar."""

import io
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


class UnpackError(ValueError):
    """An archive is damaged, of another kind, or tries to write outside its folder; the message says which."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or a (compressed) tar file, recognised by its content.

    Args:
        archive: The file.
        folder: Created if necessary.

    Raises:
        UnpackError: If the archive is damaged or not safe; members before the faulty one stay.
        OSError: If ``folder`` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        else:
            _untar(archive, folder)
    except _DAMAGED as error:
        raise UnpackError(f"{archive} cannot be unpacked: {error or type(error).__name__}") from error


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:  # zipfile itself would silently rewrite such paths
                raise UnpackError(f"{archive} is not safe to unpack: {member.filename!r} is outside its folder")
        for member in tqdm(opened.infolist(), desc=f"Unpacking {archive.name}", unit=" files", disable=None):
            opened.extract(member, folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        for member in tqdm(opened, desc=f"Unpacking {archive.name}", unit=" files", disable=None):
            opened.extract(member, folder, filter="data")  # refuses devices, and files and links outside the folder
        # A plain tar cut off between two files looks complete except for the zeros at its end.
        if isinstance(opened.fileobj, io.BufferedReader):
            opened.fileobj.seek(opened.offset)
            if opened.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise UnpackError(f"{archive} cannot be unpacked: it is cut off")
