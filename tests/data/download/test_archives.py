"""Tests of srgan.data.download: from a server that breaks off, stalls, ignores, misnames and refuses, to photos."""

import hashlib
import io
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srgan.data.download import Archive, DownloadError, fetch

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


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of one zip with three photos; attempts follow each other at once."""
    monkeypatch.setattr("srgan.data.download.transfer._PAUSE", 0.0)
    monkeypatch.setattr("srgan.data.download.transfer._TIMEOUT", 10.0)
    monkeypatch.setattr("srgan.data.download.transfer._CHUNK", 1000)
    page = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page.url = f"http://127.0.0.1:{server.server_port}/photos/set.zip?download=1"
        yield page
        server.shutdown()
        thread.join()


def assert_complete(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "set").rglob("*.png")}
    assert found == PHOTOS


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(_LEFTOVERS)}


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(zipped, id="zip"),
        pytest.param(tarred, id="tar"),
        pytest.param(lambda members: tarred(members, mode="w:gz"), id="tar.gz"),
    ],
)
def test_collection_is_downloaded_unpacked_and_found_again(
    site: Site, tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    site.content = pack(PHOTOS)
    archive = site.archive(num_bytes=len(site.content))
    assert fetch(archive, tmp_path / "new", "HR") == tmp_path / "new" / "set" / "HR"
    assert_complete(tmp_path / "new")
    assert visible(tmp_path / "new") == {"set"}
    assert leftovers(tmp_path / "new") == set()
    fetch(archive, tmp_path / "new")
    assert len(site.requests) == 1


def test_broken_transfer_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.breaks = [10_000, 5_000]
    fetch(site.archive(), tmp_path)
    assert site.requests == [None, "bytes=10000-", "bytes=15000-"]
    assert_complete(tmp_path)


def test_a_server_that_stalls_is_left_and_asked_for_the_rest(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan.data.download.transfer._TIMEOUT", 0.3)
    site.breaks, site.stalls = [10_500], True
    fetch(site.archive(), tmp_path)
    assert site.requests == [None, "bytes=10500-"]
    assert_complete(tmp_path)


def test_a_server_without_ranges_sends_it_all_again(site: Site, tmp_path: Path) -> None:
    site.breaks, site.takes_ranges = [10_000], False
    fetch(site.archive(), tmp_path)
    assert site.requests == [None, "bytes=10000-"]
    assert_complete(tmp_path)


def test_a_server_that_always_starts_over_is_given_up(site: Site, tmp_path: Path) -> None:
    site.takes_ranges, site.breaks = False, [30_000, 20_000] * 10
    with pytest.raises(DownloadError, match="the connection was closed after 20000 of"):
        fetch(site.archive(), tmp_path)
    assert len(site.requests) == 4


def test_a_server_that_says_no_length_is_believed(site: Site, tmp_path: Path) -> None:
    site.sends_length = False
    fetch(site.archive(), tmp_path)
    assert_complete(tmp_path)


def test_the_next_run_goes_on_from_what_a_given_up_one_left(site: Site, tmp_path: Path) -> None:
    site.breaks = [10_000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"closed after 10000 of \d+ bytes.*is kept and will be resumed"):
        fetch(site.archive(), tmp_path)
    assert visible(tmp_path) == set()
    site.requests.clear()
    fetch(site.archive(), tmp_path)
    assert site.requests == ["bytes=10000-"]
    assert_complete(tmp_path)
    assert leftovers(tmp_path) == set()


def test_parts_of_two_versions_are_not_put_together(site: Site, tmp_path: Path) -> None:
    site.breaks = [10_000, 0, 0, 0]
    unknown = site.archive(sha256=None)
    with pytest.raises(DownloadError):
        fetch(unknown, tmp_path)
    site.content, site.etag = zipped(dict(reversed(PHOTOS.items()))), '"2"'
    fetch(unknown, tmp_path)
    assert_complete(tmp_path)


def test_a_part_that_is_whole_needs_no_more_bytes(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".unfinished-set.zip").write_bytes(site.content)
    fetch(site.archive(), tmp_path)
    assert site.requests == [f"bytes={len(site.content)}-"]
    assert_complete(tmp_path)


def test_a_part_that_is_too_long_is_dropped(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".unfinished-set.zip").write_bytes(site.content + b"more")
    fetch(site.archive(), tmp_path)
    assert site.requests[1:] == [None]
    assert_complete(tmp_path)


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status, status]
    fetch(site.archive(), tmp_path)
    assert_complete(tmp_path)


def assert_says_what_to_do(error: DownloadError, archive: Archive, folder: Path) -> None:
    for part in (archive.url, f"{archive.num_bytes} bytes", archive.sha256, folder / "set.zip", folder / "set"):
        assert str(part) in str(error)


@pytest.mark.parametrize(("statuses", "num_requests"), [([404], 1), ([403], 1), ([500] * 9, 3)])
def test_a_file_that_is_not_to_be_had_says_where_to_put_it(
    site: Site, tmp_path: Path, statuses: list[int], num_requests: int
) -> None:
    site.statuses = statuses
    archive = site.archive(num_bytes=len(site.content))
    with pytest.raises(DownloadError, match=f"the server answered {statuses[0]}") as caught:
        fetch(archive, tmp_path)
    assert len(site.requests) == num_requests
    assert_says_what_to_do(caught.value, archive, tmp_path)


def test_a_closed_network_says_where_to_put_the_file(site: Site, tmp_path: Path) -> None:
    archive = site.archive(url="http://127.0.0.1:9/set.zip", num_bytes=5)  # nobody listens there
    with pytest.raises(DownloadError, match="Connection refused") as caught:
        fetch(archive, tmp_path)
    assert_says_what_to_do(caught.value, archive, tmp_path)


@pytest.mark.parametrize("name", ["set.zip", "set"])
def test_what_was_put_there_by_hand_is_used(site: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / "set.zip").write_bytes(site.content)
    if name == "set":
        shutil.unpack_archive(tmp_path / "set.zip", tmp_path)
    fetch(site.archive(), tmp_path)
    assert site.requests == []
    assert_complete(tmp_path)
    assert (tmp_path / "set.zip").exists()


def test_wrong_checksum_leaves_nothing_and_is_named(site: Site, tmp_path: Path) -> None:
    archive = site.archive(num_bytes=len(site.content))
    site.content = site.content[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"sha256 {hashlib.sha256(site.content).hexdigest()}") as caught:
        fetch(archive, tmp_path)
    assert_says_what_to_do(caught.value, archive, tmp_path)
    assert visible(tmp_path) == leftovers(tmp_path) == set()


def test_wrong_file_put_there_by_hand_is_refused_and_left(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"something else")
    with pytest.raises(DownloadError, match=r"set\.zip.* is not the expected one: it has 14 bytes"):
        fetch(site.archive(), tmp_path)
    assert visible(tmp_path) == {"set.zip"}


def test_file_of_another_size_is_not_downloaded(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"has {len(site.content)} bytes instead of 7"):
        fetch(site.archive(num_bytes=7), tmp_path)
    assert visible(tmp_path) == leftovers(tmp_path) == set()


def test_checksum_is_recorded_where_none_is_published(site: Site, tmp_path: Path) -> None:
    fetch(site.archive(sha256=None), tmp_path)
    assert (tmp_path / "set.zip.sha256").read_text() == f"{hashlib.sha256(site.content).hexdigest()}  set.zip\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>Please log in</html>", id="page"),
        pytest.param(zipped(PHOTOS)[:-30], id="truncated-zip"),
        pytest.param(zipped(PHOTOS).replace(PHOTOS["set/HR/1.png"][:40], bytes(40)), id="damaged-zip"),
        pytest.param(tarred(PHOTOS, mode="w:gz")[:-3000], id="truncated-tar"),
        pytest.param(tarred(PHOTOS)[: 2 * (512 + 40 * 512)], id="tar-cut-between-files"),
        pytest.param(zipped({"other/1.png": b""}), id="other-folder"),
    ],
)
def test_what_cannot_be_unpacked_leaves_nothing(site: Site, tmp_path: Path, content: bytes) -> None:
    site.content = content
    with pytest.raises(DownloadError, match="To put it there by hand"):
        fetch(site.archive(sha256=None), tmp_path)
    assert visible(tmp_path) == set()
    assert leftovers(tmp_path) == set()


def linked(target: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        link = tarfile.TarInfo("set/link")
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped({"set/1.png": b"", "../evil.png": b""}), id="zip-parent"),
        pytest.param(zipped({"set/1.png": b"", "set\\..\\..\\evil.png": b""}), id="zip-backslash"),
        pytest.param(zipped({"/evil.png": b""}), id="zip-absolute"),
        pytest.param(tarred({"set/1.png": b"", "../evil.png": b""}), id="tar-parent"),
        pytest.param(linked("/etc"), id="tar-link"),
    ],
)
def test_an_archive_that_reaches_outside_is_refused(site: Site, tmp_path: Path, content: bytes) -> None:
    site.content = content
    with pytest.raises(DownloadError, match=r"outside|absolute path"):
        fetch(site.archive(), tmp_path / "data")
    assert {path.name for path in tmp_path.rglob("*") if "evil" in path.name} == set()
    assert visible(tmp_path / "data") == set()


def test_a_kill_while_unpacking_leaves_no_half_collection(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = zipfile.ZipFile.extract

    def killed(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
        extract(archive, member, folder)
        if member.filename.endswith("1.png"):
            raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extract", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch(site.archive(), tmp_path)
    monkeypatch.undo()
    assert visible(tmp_path) == set()
    (tmp_path / ".unpacking-set.zip" / "set" / "HR").mkdir(parents=True)  # as SIGKILL would leave it
    (tmp_path / ".unpacking-set.zip" / "set" / "HR" / "half.png").touch()
    fetch(site.archive(), tmp_path)
    assert_complete(tmp_path)
    assert len(site.requests) == 1
    assert visible(tmp_path) == {"set"}  # what was downloaded is removed all the same
    assert leftovers(tmp_path) == set()


def test_of_two_at_once_one_downloads_and_the_other_waits(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    site.hold = threading.Event()
    first, second = (threading.Thread(target=fetch, args=(site.archive(), tmp_path)) for _ in range(2))
    first.start()
    assert comes_true(lambda: len(site.requests) == 1)
    second.start()
    assert comes_true(lambda: "Waiting for another process" in caplog.text)
    site.hold.set()
    for thread in (first, second):
        thread.join()
    assert len(site.requests) == 1
    assert_complete(tmp_path)


def comes_true(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_a_full_disk_names_the_setting(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(DownloadError, match=r"No space left on device.*download_dir="):
        fetch(site.archive(), tmp_path)
    monkeypatch.undo()
    fetch(site.archive(), tmp_path)
    assert len(site.requests) == 1  # there was no need to download it again
    assert_complete(tmp_path)
    assert leftovers(tmp_path) == set()


def test_a_downloaded_file_damaged_since_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".downloaded-set.zip").write_bytes(b"zeros after a power cut")
    fetch(site.archive(), tmp_path)
    assert_complete(tmp_path)
    assert leftovers(tmp_path) == set()


def test_a_part_that_the_archive_lacks_is_named(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"Expected a folder LR in .*set\. Remove"):
        fetch(site.archive(), tmp_path, "LR")
