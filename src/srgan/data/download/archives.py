"""Photo collections from their official addresses, listed in ``conf/archive``: downloaded once, checked, unpacked."""

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
    """A collection is unavailable; the message says why, and where to put it by hand."""


@dataclass(frozen=True)
class Archive:
    """A zip or tar of photos.

    Args:
        url: Its address; the last part is the file's name.
        unpacked: The folder in it to keep, such as ``DIV2K_train_LR_bicubic/X4``.
        num_bytes: Its size, if known.
        sha256: Its checksum, if published; otherwise the checksum of the downloaded file is stored next to it.
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
    """Download and unpack a collection into a folder, unless it is there already.

    If the folder has a file of the archive's name, that is used instead of a download. Of several processes that call
    this at once, one does the work and the others wait. A kill leaves a partial download, which is resumed, but never
    half a collection. A downloaded archive is removed once it is unpacked; one that was put there by hand stays.

    Args:
        archive: What to fetch.
        folder: Folder of collections, created if necessary.
        subfolder: The part of the unpacked folder to return.

    Returns:
        The folder of the collection, or of the part.

    Raises:
        DownloadError: If the collection is unavailable, not the expected one, or cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    target = folder / archive.unpacked
    if not _is_filled(target):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with alone(folder / f".lock-{archive.name}"):
                if not _is_filled(target):  # by another process, meanwhile
                    _download_and_unpack(archive, folder)
        except DownloadError:
            raise
        except OSError as error:
            raise DownloadError(
                f"Cannot write {archive.name} to {folder}: {error}. Choose another folder with download_dir=…."
            ) from error
    if not (target / subfolder).is_dir():
        raise DownloadError(f"Expected a folder {subfolder} in {target}. Remove {target} to fetch it again.")
    return target / subfolder


def _download_and_unpack(archive: Archive, folder: Path) -> None:
    # A download has a different name, so that after a kill the next run can tell it from a file put there by hand.
    placed, downloaded = folder / archive.name, folder / f".downloaded-{archive.name}"
    file = placed if placed.exists() else downloaded
    if placed.exists():
        _check(archive, placed)
    elif not (downloaded.exists() and _is_right(archive, downloaded)):
        _download(archive, downloaded)
    temporary = folder / f".unpacking-{archive.name}"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a kill
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
    """Leave the complete, checked file under its name, or nothing under that name."""
    unfinished = file.with_name(f".unfinished-{archive.name}")
    size = f" ({archive.num_bytes / 1e6:,.0f} MB)" if archive.num_bytes else ""
    log.info("Downloading %s%s to %s", archive.url, size, file.parent)
    try:
        transfer(archive.url, unfinished, num_bytes=archive.num_bytes)
    except TransferError as error:
        kept = " The partial file is kept and will be resumed." if unfinished.exists() else ""
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
            f"The file {file} from {archive.url} is not the expected one: it has {num_bytes} bytes"
            f"{f' and sha256 {sha256}' if sha256 else ''}. {_by_hand(archive, file.parent)}"
        )


def _is_right(archive: Archive, file: Path) -> bool:
    if archive.num_bytes is not None and file.stat().st_size != archive.num_bytes:
        return False
    return archive.sha256 is None or file_digest(file) == archive.sha256


def _put_in_place(unpacked: Path, target: Path) -> None:
    if not unpacked.is_dir():
        raise UnpackError(f"The archive does not have the expected folder {target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    unpacked.replace(target)


def _by_hand(archive: Archive, folder: Path) -> str:
    known = [
        f"{archive.num_bytes} bytes" if archive.num_bytes else "size unknown",
        f"sha256 {archive.sha256}" if archive.sha256 else "no published checksum",
    ]
    return (
        f"To put it there by hand, save {archive.url} ({', '.join(known)}) as {folder / archive.name}, or its content"
        f" as {folder / archive.unpacked}; then start again."
    )


def _write_checksum(file: Path, path: Path, name: str) -> None:
    """In the format of ``sha256sum``, to compare two machines."""
    path.write_text(f"{file_digest(file)}  {name}\n", encoding="utf-8")


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
