"""Resumable HTTP download of a large file: within a call, and from one call to the next."""

import ssl
import time
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

_NUM_ATTEMPTS = 3  # consecutive ones without progress
_PAUSE = 1.0  # seconds after a connection that made progress, doubled after each that did not
_TIMEOUT = 30.0  # seconds without data
_CHUNK = 2**18
_INTERRUPTED = (ConnectionError, TimeoutError, HTTPException, ssl.SSLError)
_TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})  # HTTP status codes
_RANGE_NOT_SATISFIABLE = 416  # there is nothing after the bytes already present


class TransferError(OSError):
    """A file cannot be downloaded; the message says why."""


def transfer(url: str, path: Path, *, num_bytes: int | None = None) -> None:
    """Download a file, resuming from the part of it in ``path``, which is kept after a failure too.

    If the server cannot resume, or its file has changed, the download starts over.

    Args:
        url: An ``http`` or ``https`` address.
        path: The file to write; until it is complete, a second file next to it holds the server's version tag.
        num_bytes: Its size, if known.

    Raises:
        TransferError: If the server has no such file or one of another size, or several attempts made no progress.
        OSError: If ``path`` cannot be written.
    """
    num_failures = 0
    most = _num_bytes(path)
    while True:
        reason = _attempt(url, path, num_bytes)
        if reason is None:
            _tag(path).unlink(missing_ok=True)
            return
        # Progress is more than ever, not more than before: a download that always starts over might never end.
        num_failures = 0 if _num_bytes(path) > most else num_failures + 1
        most = max(most, _num_bytes(path))
        if num_failures == _NUM_ATTEMPTS:
            raise TransferError(reason)
        time.sleep(_PAUSE * 2**num_failures)


def _attempt(url: str, path: Path, num_bytes: int | None) -> str | None:
    """Open one connection and write what it sends; None if the file is complete, otherwise why not."""
    present = _num_bytes(path)
    if num_bytes is not None and present == num_bytes:
        return None
    request = Request(url, headers={"User-Agent": "srgan", **_from_where(path, present)})
    try:
        with urlopen(request, timeout=_TIMEOUT) as response:
            return _write(response, path, present=present, num_bytes=num_bytes)
    except HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE:
            return _is_whole(error.headers, path)
        if error.code not in _TEMPORARY:
            raise TransferError(f"the server answered {error.code} {error.reason}") from error
        return f"the server answered {error.code} {error.reason}"
    except URLError as error:
        return str(error.reason)
    except _INTERRUPTED as error:
        return str(error) or type(error).__name__


def _write(response: HTTPResponse, path: Path, *, present: int, num_bytes: int | None) -> str | None:
    resumes = response.status == 206
    start = _start(response.headers) if resumes else 0
    if resumes and start != present:
        path.unlink(missing_ok=True)
        return f"the server resumed at byte {start} instead of {present}"
    length = response.headers.get("Content-Length")
    total = start + int(length) if length is not None else num_bytes
    if num_bytes is not None and total != num_bytes:
        raise TransferError(f"the server's file has {total} bytes instead of {num_bytes}")
    tag = _unchanging_tag(response.headers)
    if not resumes:
        _tag(path).write_text(tag or "", encoding="utf-8")
    with (
        path.open("ab" if resumes else "wb") as file,
        tqdm(desc=path.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
    ):
        # Write data as it arrives: a timeout loses what is still in a buffer.
        while (total is None or file.tell() < total) and (chunk := response.read1(_CHUNK)):
            file.write(chunk)
            bar.update(len(chunk))
        num_written = file.tell()
    if total is None or num_written == total:
        return None
    return f"the connection was closed after {num_written} of {total} bytes"


def _from_where(path: Path, present: int) -> dict[str, str]:
    """Headers that request the missing part, if the server's file is still the same."""
    if not present:
        return {}
    tag = _tag(path).read_text(encoding="utf-8") if _tag(path).is_file() else ""
    return {"Range": f"bytes={present}-", **({"If-Range": tag} if tag else {})}


def _is_whole(headers: Message, path: Path) -> str | None:
    total = headers.get("Content-Range", "").rpartition("/")[2]
    if total == str(_num_bytes(path)):
        return None
    path.unlink(missing_ok=True)
    return "the partial file was longer than the server's file"


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
