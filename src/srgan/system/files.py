"""Writing files whole or not at all, locks between processes, and printing any file name."""

import errno
import hashlib
import io
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from filelock import BaseFileLock
if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)
_MAX_LISTED = 20  # lines of a message
_CHUNK = 2**20  # bytes
_LONGEST_NAME = 255  # in bytes, of most file systems


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file next to ``path`` that replaces it if the block succeeds, and is deleted otherwise.

    It is in the same folder because moving it from another disk would be a copy, which can be cut short. A kill leaves
    one unfinished file, whose name depends only on ``path``, so the next write reuses it. If two processes write at
    once, each has a file of its own, and the last to finish wins.

    Args:
        path: The file to write; its folder is created if necessary.

    Yields:
        The file, empty and open for bytes; write to it, not to ``path``. It can be read back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file, unfinished = _open_beside(path)
    with file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without the content
            _close_on_windows(file)
            unfinished.replace(path)
        except BaseException:
            _close_on_windows(file)
            unfinished.unlink(missing_ok=True)
            raise


def disk_full(error: BaseException | None) -> OSError | None:
    """The full-disk (or quota) error that caused another error; None if that was not the cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def show_any_name() -> None:
    """Make stdout, like stderr, escape what it cannot encode, instead of failing.

    File names are bytes: Python represents those that are not UTF-8 by characters that no encoding has.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def listed(lines: Sequence[str]) -> str:
    """Lines below a message, indented; only the first of many, and how many more there are."""
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
    """Run a block while holding a lock; waits until other processes have released it.

    A kill releases it too. On network drives without locks, it has no effect.

    Args:
        path: The file to lock, created if necessary and left empty: it must hold nothing else.

    Raises:
        OSError: If the file cannot be created.
    """
    lock = hold(path)
    if lock is None:
        log.info("Waiting for another process, which holds %s", path)
        lock = hold(path, timeout=-1)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def hold(path: Path, *, timeout: float = 0) -> "BaseFileLock | None":
    """Take a lock, until it is released or the process ends, however it ends.

    Args:
        path: The file to lock, created if necessary and left empty.
        timeout: Seconds to wait for it; -1 for as long as it takes.

    Returns:
        The lock; None if another process holds it. On network drives without locks, always a lock.

    Raises:
        OSError: If the file cannot be created.
    """
    from filelock import FileLock, Timeout  # takes a tenth of a second, and most commands need no lock

    path.open("ab").close()
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return None
    except (OSError, NotImplementedError):  # the file system has no locks
        pass
    return lock


def _open_beside(path: Path) -> tuple[BinaryIO, Path]:
    """A file for this writer alone: under the fixed name, or under a random one if that is taken."""
    fixed = path.with_name(_unfinished_name(path.name))
    try:
        return _open_locked(fixed), fixed
    except OSError:  # another process is writing there, or the file system has no locks
        own = path.with_name(_unfinished_name(path.name, token=f"{secrets.token_hex(4)}-"))
        return own.open("x+b"), own


def _unfinished_name(name: str, *, token: str = "") -> str:
    # The file's own name may already have the maximal length: then use its digest, the same for each write.
    unfinished = f".unfinished-{token}{name}"
    if len(os.fsencode(unfinished)) <= _LONGEST_NAME:
        return unfinished
    return f".unfinished-{token}{hashlib.sha256(os.fsencode(name)).hexdigest()}"


def _open_locked(path: Path) -> BinaryIO:
    """Open, lock and empty a file, created if necessary; it stays locked until it is closed.

    Not by filelock, which locks a second file: it would be left next to each file that is written.

    Raises:
        OSError: If the lock is taken, or not supported.
    """
    if sys.platform == "win32":
        raise OSError("no flock on Windows")
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "w+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise OSError(f"{path} was renamed by another writer while it was being opened")
        file.truncate()
    except OSError:
        file.close()
        raise
    return file


def _close_on_windows(file: BinaryIO) -> None:
    # An open file can be neither renamed nor removed there. Elsewhere the lock has to outlast that.
    if sys.platform == "win32":
        file.close()
