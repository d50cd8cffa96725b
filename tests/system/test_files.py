"""Tests of whole files: what others see meanwhile, after failures and kills, of two writers; of locks and digests."""

import errno
import fcntl
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from srgan.system.files import alone, atomic_write, file_digest

WRITE_HALF_AND_DIE = """
import os, pathlib, signal, sys
from srgan.system.files import atomic_write
with atomic_write(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half" * 1000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

HOLD_FOR_EVER = """
import pathlib, sys, time
from srgan.system.files import alone
with alone(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with an earlier content, alone in its folder."""
    path = tmp_path / "folder" / "file.txt"
    with atomic_write(path) as file:
        file.write(b"older")
    return path


def beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if each != path)


def test_the_older_content_is_there_until_the_newer_is_whole(target: Path) -> None:
    with atomic_write(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"older"
        file.write(b"er")
    assert target.read_bytes() == b"newer"
    assert beside(target) == []


def test_a_failure_leaves_the_older_content_and_nothing_else(target: Path) -> None:
    def fail() -> None:
        with atomic_write(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"older"
    assert beside(target) == []


def test_permissions_are_those_of_any_new_file(target: Path, tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    assert target.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_kills_leave_one_file_over_which_the_next_write_goes(target: Path) -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", WRITE_HALF_AND_DIE, str(target)], check=False)
        assert done.returncode == -9
        assert target.read_bytes() == b"older"
        assert len(beside(target)) == 1
    with atomic_write(target) as file:
        file.write(b"newer")
    assert target.read_bytes() == b"newer"
    assert beside(target) == []


def test_of_two_writers_at_once_each_writes_a_whole_file(target: Path) -> None:
    with atomic_write(target) as first:
        first.write(b"fir")
        first.flush()
        with atomic_write(target) as second:
            second.write(b"second")
        assert target.read_bytes() == b"second"
        with pytest.raises(ValueError, match="third"), atomic_write(target):
            raise ValueError("third")
        first.write(b"st")
    assert target.read_bytes() == b"first"
    assert beside(target) == []


def test_a_file_that_is_renamed_while_it_is_opened_is_left_alone(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = atomic_write(target)
    first.__enter__().write(b"first")
    lock = fcntl.flock

    def lock_late(*arguments: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        first.__exit__(None, None, None)  # between the second's opening and locking what is now the target
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with atomic_write(target) as second:
        assert target.read_bytes() == b"first"
        second.write(b"second")
    assert target.read_bytes() == b"second"


def test_writing_works_where_there_are_no_locks(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with atomic_write(target) as first, atomic_write(target) as second:
        first.write(b"first")
        second.write(b"second")
    assert target.read_bytes() == b"first"


def test_one_process_is_alone_until_it_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    command = [sys.executable, "-c", HOLD_FOR_EVER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        killer = threading.Timer(0.5, other.kill)
        killer.start()
        with alone(tmp_path / "lock"):
            assert other.wait() == -9
        killer.join()
    assert f"Waiting for another process, which holds {tmp_path / 'lock'}" in caplog.text


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), alone(tmp_path / "missing" / "lock"):
        pass


def test_nobody_is_kept_out_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with alone(tmp_path / "lock"), alone(tmp_path / "lock"):
        pass


def test_digest_of_a_file_and_of_the_rest_of_an_open_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"older" + b"abc" * 2**20)
    assert file_digest(tmp_path / "x") == hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest()
    with (tmp_path / "x").open("rb") as file:
        file.seek(5)
        assert file_digest(file) == hashlib.sha256(b"abc" * 2**20).hexdigest()
