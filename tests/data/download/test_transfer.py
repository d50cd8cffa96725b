"""Tests of srgan.data.download.transfer: a download is resumed, never mixed from two versions, and given up in time."""

from pathlib import Path

import pytest

from srgan.data.download import DownloadError, fetch
from tests.data.download.site import PHOTOS, Site, assert_complete, assert_says_what_to_do, leftovers, visible, zipped


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
