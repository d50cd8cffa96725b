"""A site with archives of photos that breaks off, stalls, changes or refuses as told; and what a download leaves."""

import hashlib
import io
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from srgan.data.download import Archive, DownloadError

_LEFTOVERS = (".unfinished", ".unpacking", ".downloaded")
PHOTOS = {f"set/HR/{number}.png": np.random.default_rng(number).bytes(20_000) for number in range(3)}


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members: dict[str, bytes], *, mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload] # the mode is a variable
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


@dataclass
class Site:
    """A file on a server, how the server behaves, and the ``Range`` headers of the requests that it got."""

    url: str = ""
    content: bytes = field(default_factory=lambda: zipped(PHOTOS))
    breaks: list[int] = field(default_factory=list)  # bytes after which each of the next connections ends
    stalls: bool = False  # instead of breaking off
    takes_ranges: bool = True
    sends_length: bool = True
    statuses: list[int] = field(default_factory=list)  # of the next answers
    etag: str = '"1"'
    hold: threading.Event | None = None  # answers wait for it
    requests: list[str | None] = field(default_factory=list)

    def archive(self, **changes: Any) -> Archive:
        sha256 = hashlib.sha256(self.content).hexdigest()
        return Archive(**{"url": self.url, "unpacked": "set", "num_bytes": None, "sha256": sha256, **changes})

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers["Range"]
        self.requests.append(asked)
        if self.hold is not None:
            self.hold.wait(10)
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.takes_ranges else 0
        start = start if request.headers["If-Range"] in (None, self.etag) else 0
        if start and start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        request.send_header("ETag", self.etag)
        if self.sends_length:
            request.send_header("Content-Length", str(len(self.content) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else len(self.content)
        request.wfile.write(self.content[start:end])
        if self.stalls and end < len(self.content):
            request.wfile.flush()
            time.sleep(0.6)


def assert_complete(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "set").rglob("*.png")}
    assert found == PHOTOS


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(_LEFTOVERS)}


def assert_says_what_to_do(error: DownloadError, archive: Archive, folder: Path) -> None:
    for part in (archive.url, f"{archive.num_bytes} bytes", archive.sha256, folder / "set.zip", folder / "set"):
        assert str(part) in str(error)
