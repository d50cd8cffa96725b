"""Tests of srgan.data.download: from a server that breaks off, stalls, ignores, misnames and refuses, to photos."""

import hashlib
import io
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srgan.data.download import DownloadError, fetch
from tests.data.download.site import (
    PHOTOS,
    Site,
    assert_complete,
    assert_says_what_to_do,
    leftovers,
    tarred,
    visible,
    zipped,
)


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
