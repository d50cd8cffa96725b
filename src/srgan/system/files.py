"""Writing files whole or not at all, one process at a time; and showing their names, whatever these are."""

import errno
import hashlib
import io
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)
_MAX_LISTED = 20  # lines of a message
_CHUNK = 2**20  # bytes
_LONGEST_NAME = 255  # in bytes, of most file systems


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

    Beside, since a temporary folder on another disk would mean a copy at the end, which can be cut short. A kill leaves
    one unfinished file, of a name that follows from ``path``: the next write goes over it. Of two that write at once,
    each its own file, the last to end is what stays.

    Args:
        path: The file to write; its folder is made if need be.

    Yields:
        The file, empty and open for bytes; write to it, not to its name. What was written can be read back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file, unfinished = _open_beside(path)
    with file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the name to a file whose content never reached the disk
            _close_on_windows(file)
            unfinished.replace(path)
        except BaseException:
            _close_on_windows(file)
            unfinished.unlink(missing_ok=True)
            raise


def disk_full(error: BaseException | None) -> OSError | None:
    """The error of a full disk, or of a used-up quota, behind another one; None where that is not the reason."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def show_any_name() -> None:
    """Have stdout, as stderr already does, write what it cannot encode as an escape, instead of ending the command.

    File names are bytes: those that are not UTF-8 Python keeps as letters that no encoding has.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def listed(lines: Sequence[str]) -> str:
    """Lines below a message, indented; of many the first, and how many more there are."""
    more = [f"… and {len(lines) - _MAX_LISTED} more"] if len(lines) > _MAX_LISTED else []
    return "".join(f"\n  {line}" for line in [*lines[:_MAX_LISTED], *more])


def file_digest(file: Path | BinaryIO) -> str:
    """SHA-256 of a file, or of an open one from where it stands to its end.

    Raises:
        OSError: If it cannot be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return file_digest(opened)
    state = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.hexdigest()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep all other processes that ask for the same out of a block; waits for the one that is in it.

    A kill ends it as well. Where there are no locks, on some network drives, it keeps nobody out.

    Args:
        path: A file to hold, made if need be and left empty: nothing else may be in it.

    Raises:
        OSError: If the file cannot be made.
    """
    from filelock import FileLock, Timeout  # a tenth of a second, needless for most

    path.open("ab").close()
    lock = FileLock(path)
    with suppress(OSError, NotImplementedError):  # the file system has no locks
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("Waiting for another process, which holds %s", path)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def hold(path: Path) -> BinaryIO | None:
    """Keep all other processes that ask for the same away until the file is closed; a kill closes it as well.

    Args:
        path: A file to hold, made if need be and left empty.

    Returns:
        The file; None where another process holds it. Where there are no locks, as on Windows, always the file.

    Raises:
        OSError: If the file cannot be made.
    """
    file = path.open("ab")
    if sys.platform == "win32":
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # the file system has no locks
        pass
    return file


def _open_beside(path: Path) -> tuple[BinaryIO, Path]:
    """A file for this writer alone: under the fixed name, or one of its own where that one is not to be had."""
    fixed = path.with_name(_unfinished_name(path.name))
    try:
        return _open_locked(fixed), fixed
    except OSError:  # another writes there just now, or the file system has no locks
        own = path.with_name(_unfinished_name(path.name, token=f"{secrets.token_hex(4)}-"))
        return own.open("x+b"), own


def _unfinished_name(name: str, *, token: str = "") -> str:
    # A file's own name may be as long as names get: a digest then stands for it, still the same for each write.
    unfinished = f".unfinished-{token}{name}"
    if len(os.fsencode(unfinished)) <= _LONGEST_NAME:
        return unfinished
    return f".unfinished-{token}{hashlib.sha256(os.fsencode(name)).hexdigest()}"


def _open_locked(path: Path) -> BinaryIO:
    """Open a file, made if need be, and empty it; nobody else gets it from here until it is closed.

    Raises:
        OSError: If that cannot be had at once.
    """
    if sys.platform == "win32":
        raise OSError("no flock on Windows")
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "w+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise OSError(f"{path} was renamed by another writer while it was opened here")
        file.truncate()
    except OSError:
        file.close()
        raise
    return file


def _close_on_windows(file: BinaryIO) -> None:
    # Where no open file can be renamed or removed. Elsewhere the lock has to last until after that.
    if sys.platform == "win32":
        file.close()
