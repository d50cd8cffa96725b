"""A large file over HTTP, gone on from where it broke off: within a call, and from one call to the next."""

import ssl
import time
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

_NUM_ATTEMPTS = 3  # in a row that bring nothing new
_PAUSE = 1.0  # seconds after a connection that brought something, doubled after each that did not
_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 2**18
_BROKEN_OFF = (ConnectionError, TimeoutError, HTTPException, ssl.SSLError)
_PASSING = frozenset({408, 429, 500, 502, 503, 504})  # HTTP's codes for "try again"
_NOTHING_BEYOND = 416  # asked for what comes after the last byte


class TransferError(OSError):
    """A file could not be had; the message says why."""


def transfer(url: str, path: Path, *, num_bytes: int | None = None) -> None:
    """Download a file; what ``path`` holds of it already is kept and gone on from, also after a failure.

    Where the server does not go on from the middle, or has another file by now, the transfer begins anew.

    Args:
        url: An ``http`` or ``https`` address.
        path: The file to write; beside it lies, meanwhile, what tells the server's file from a later one.
        num_bytes: Its size, if known.

    Raises:
        TransferError: If the server has no such file or one of another size, or several attempts brought nothing.
        OSError: If ``path`` cannot be written.
    """
    num_failures, most = 0, _num_bytes(path)
    while True:
        reason = _attempt(url, path, num_bytes)
        if reason is None:
            _tag(path).unlink(missing_ok=True)
            return
        # More than ever, not than just before: what begins anew each time might never end.
        num_failures = 0 if _num_bytes(path) > most else num_failures + 1
        most = max(most, _num_bytes(path))
        if num_failures == _NUM_ATTEMPTS:
            raise TransferError(reason)
        time.sleep(_PAUSE * 2**num_failures)


def _attempt(url: str, path: Path, num_bytes: int | None) -> str | None:
    """Open one connection and write what it brings; None if the file is whole, else why it is not."""
    present = _num_bytes(path)
    if num_bytes is not None and present == num_bytes:
        return None
    request = Request(url, headers={"User-Agent": "srgan", **_from_where(path, present)})
    try:
        with urlopen(request, timeout=_TIMEOUT) as response:
            return _write(response, path, present=present, num_bytes=num_bytes)
    except HTTPError as error:
        error.close()
        if error.code == _NOTHING_BEYOND:
            return _is_whole(error.headers, path)
        if error.code not in _PASSING:
            raise TransferError(f"the server answered {error.code} {error.reason}") from error
        return f"the server answered {error.code} {error.reason}"
    except URLError as error:
        return str(error.reason)
    except _BROKEN_OFF as error:
        return str(error) or type(error).__name__


def _write(response: HTTPResponse, path: Path, *, present: int, num_bytes: int | None) -> str | None:
    goes_on = response.status == 206
    start = _start(response.headers) if goes_on else 0
    if goes_on and start != present:
        path.unlink(missing_ok=True)
        return f"the server went on at byte {start} instead of {present}"
    length = response.headers.get("Content-Length")
    total = start + int(length) if length is not None else num_bytes
    if num_bytes is not None and total != num_bytes:
        raise TransferError(f"the server's file has {total} bytes instead of {num_bytes}")
    tag = _unchanging_tag(response.headers)
    if not goes_on:
        _tag(path).write_text(tag or "", encoding="utf-8")
    with (
        path.open("ab" if goes_on else "wb") as file,
        tqdm(desc=path.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
    ):
        # Whatever has come, at once: what a timeout finds in a buffer is lost.
        while (total is None or file.tell() < total) and (chunk := response.read1(_CHUNK)):
            file.write(chunk)
            bar.update(len(chunk))
        num_written = file.tell()
    if total is None or num_written == total:
        return None
    return f"the connection was closed after {num_written} of {total} bytes"


def _from_where(path: Path, present: int) -> dict[str, str]:
    """The headers that ask for what is missing, if the server's file is still the same."""
    if not present:
        return {}
    tag = _tag(path).read_text(encoding="utf-8") if _tag(path).is_file() else ""
    return {"Range": f"bytes={present}-", **({"If-Range": tag} if tag else {})}


def _is_whole(headers: Message, path: Path) -> str | None:
    total = headers.get("Content-Range", "").rpartition("/")[2]
    if total == str(_num_bytes(path)):
        return None
    path.unlink(missing_ok=True)
    return "the part that had come is longer than the server's file"


def _start(headers: Message) -> int:
    start = headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else -1


def _unchanging_tag(headers: Message) -> str | None:
    """What ``If-Range`` may name: a strong ETag, or the date."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _tag(path: Path) -> Path:
    return path.with_name(f"{path.name}.tag")


def _num_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
