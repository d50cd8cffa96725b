"""Photo collections from their official addresses: downloaded once, checked, unpacked. ``conf/archive`` names them."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from srgan.data.download.transfer import TransferError, transfer
from srgan.data.download.unpack import UnpackError, unpack
from srgan.system.files import alone, file_digest

log = logging.getLogger(__name__)


class DownloadError(OSError):
    """A collection could not be had; the message says why, and where to put it by hand."""


@dataclass(frozen=True)
class Archive:
    """A zip or tar of photos.

    Args:
        url: Its address; the last part is the file's name.
        unpacked: The folder in it that is wanted, for instance ``DIV2K_train_LR_bicubic/X4``.
        num_bytes: Its size, where known.
        sha256: Its checksum, where published; otherwise that of the file which came is written down beside it.
    """

    url: str
    unpacked: str
    num_bytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(urlsplit(self.url).path).name


def fetch(archive: Archive, folder: str | Path, subfolder: str = "") -> Path:
    """Have a collection unpacked in a folder: nothing happens where it is, else it is downloaded.

    A file of the archive's name that lies in the folder is taken instead of a download. Of several processes that ask
    at once one does the work and the others wait. A kill leaves the part that has come, to go on from, but no half
    collection. A downloaded archive is removed as soon as it is unpacked; one that was put there by hand stays.

    Args:
        archive: What to fetch.
        folder: Where collections lie; made if need be.
        subfolder: The part of the unpacked folder that is wanted.

    Returns:
        The folder of the collection, or of the part.

    Raises:
        DownloadError: If it cannot be had, is not what it should be, or cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    target = folder / archive.unpacked
    if not _is_filled(target):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with alone(folder / f".lock-{archive.name}"):
                if not _is_filled(target):  # as it may be after another's work
                    _download_and_unpack(archive, folder)
        except DownloadError:
            raise
        except OSError as error:
            raise DownloadError(
                f"Cannot write {archive.name} to {folder}: {error}. Name another folder with download_dir=…."
            ) from error
    if not (target / subfolder).is_dir():
        raise DownloadError(f"Expected a folder {subfolder} in {target}. Remove {target} to have it fetched anew.")
    return target / subfolder


def _download_and_unpack(archive: Archive, folder: Path) -> None:
    # What was downloaded has a name of its own, so that the next run, after a kill, knows it from what was put there.
    placed, downloaded = folder / archive.name, folder / f".downloaded-{archive.name}"
    file = placed if placed.exists() else downloaded
    if placed.exists():
        _check(archive, placed)
    elif not (downloaded.exists() and _is_right(archive, downloaded)):
        _download(archive, downloaded)
    temporary = folder / f".unpacking-{archive.name}"
    shutil.rmtree(temporary, ignore_errors=True)  # what a kill has left
    try:
        unpack(file, temporary)
        _put_in_place(temporary / archive.unpacked, folder / archive.unpacked)
        if archive.sha256 is None:
            _write_checksum(file, folder / f"{archive.name}.sha256", archive.name)
    except UnpackError as error:
        downloaded.unlink(missing_ok=True)
        raise DownloadError(f"{error}. {_by_hand(archive, folder)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    downloaded.unlink(missing_ok=True)
    log.info("Unpacked to %s", folder / archive.unpacked)


def _download(archive: Archive, file: Path) -> None:
    """Leave the whole, checked file under its name, or nothing under that name."""
    unfinished = file.with_name(f".unfinished-{archive.name}")
    size = f" ({archive.num_bytes / 1e6:,.0f} MB)" if archive.num_bytes else ""
    log.info("Downloading %s%s to %s", archive.url, size, file.parent)
    try:
        transfer(archive.url, unfinished, num_bytes=archive.num_bytes)
    except TransferError as error:
        kept = " What has come of it is kept to go on from." if unfinished.exists() else ""
        message = f"Cannot download {archive.url}: {error}. {_by_hand(archive, file.parent)}{kept}"
        raise DownloadError(message) from error
    try:
        _check(archive, unfinished)
    except DownloadError:
        unfinished.unlink()
        raise
    unfinished.replace(file)


def _check(archive: Archive, file: Path) -> None:
    if not _is_right(archive, file):
        num_bytes, sha256 = file.stat().st_size, archive.sha256 and file_digest(file)
        raise DownloadError(
            f"The file {file} from {archive.url} is not the one expected: it has {num_bytes} bytes"
            f"{f' and sha256 {sha256}' if sha256 else ''}. {_by_hand(archive, file.parent)}"
        )


def _is_right(archive: Archive, file: Path) -> bool:
    if archive.num_bytes is not None and file.stat().st_size != archive.num_bytes:
        return False
    return archive.sha256 is None or file_digest(file) == archive.sha256


def _put_in_place(unpacked: Path, target: Path) -> None:
    if not unpacked.is_dir():
        raise UnpackError(f"The archive has no folder {target.name} where it is expected")
    target.parent.mkdir(parents=True, exist_ok=True)
    unpacked.replace(target)


def _by_hand(archive: Archive, folder: Path) -> str:
    known = [
        f"{archive.num_bytes} bytes" if archive.num_bytes else "size unknown",
        f"sha256 {archive.sha256}" if archive.sha256 else "no published checksum",
    ]
    return (
        f"To put it there by hand: {archive.url} ({', '.join(known)}) belongs at {folder / archive.name}, or what it"
        f" holds at {folder / archive.unpacked}; then start again."
    )


def _write_checksum(file: Path, path: Path, name: str) -> None:
    """In the format of ``sha256sum``, so that two machines can be compared."""
    path.write_text(f"{file_digest(file)}  {name}\n", encoding="utf-8")


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
