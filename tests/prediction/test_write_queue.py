"""Tests of the pipeline: while one is computed others are written, as safely and in the order as if one by one."""

import errno
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from srgan.prediction import Job, Ledger, Summary, plan_jobs, run_jobs
from srgan.prediction.write_queue import WriteQueue, Writer
from tests.forked import run_script


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Eight inputs."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(f"{number}".encode())
    return folder


def run(source: Path, write: Callable[[Job, BinaryIO], None], *, computed: Callable[[Job], object] = str) -> Summary:
    """Enlarge with a writer; ``computed`` is called when it is a job's turn to be computed."""

    def process(job: Job, ahead: Sequence[Job]) -> Mapping[Path, Writer]:
        computed(job)
        return {job.picture: lambda file: write(job, file)}

    output = source.parent / "out"
    return run_jobs(plan_jobs(source, output, format="png"), process, ledger=Ledger(output), made_with="s")


def write(job: Job, file: BinaryIO) -> None:
    file.write(job.source.read_bytes() * 1000)


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*"))


def in_ledger(folder: Path) -> dict[str, str]:
    """The ledger's digests by name, in its order."""
    lines = map(json.loads, (folder / ".srgan-ledger.jsonl").read_text().splitlines())
    return {line["target"]: line["sha256"] for line in lines}


def test_writing_goes_on_while_the_next_are_computed(source: Path) -> None:
    started = threading.Event()

    def write_first_last(job: Job, file: BinaryIO) -> None:
        if job.name == "0.png":
            assert started.wait(10)  # which only comes if the next is computed meanwhile
        write(job, file)

    def say(job: Job) -> None:
        if job.name == "1.png":
            started.set()

    summary = run(source, write_first_last, computed=say)
    assert summary.complete
    assert [job.name for job in summary.written] == [f"{number}.png" for number in range(8)]


def test_ledger_and_report_are_in_order(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def write_later_ones_sooner(job: Job, file: BinaryIO) -> None:
        time.sleep(0.02 * (8 - int(job.source.stem)))
        write(job, file)

    assert run(source, write_later_ones_sooner).complete
    names = [f"{number}.png" for number in range(8)]
    assert list(in_ledger(source.parent / "out")) == names
    told = capsys.readouterr().out.splitlines()
    assert [name in line for name, line in zip(names, told, strict=True)] == [True] * 8


def test_a_write_that_fails_is_told_of_and_the_rest_goes_on(source: Path) -> None:
    def fail_once(job: Job, file: BinaryIO) -> None:
        write(job, file)
        if job.name == "3.png":
            raise OSError(errno.EIO, "Input/output error")

    summary = run(source, fail_once)
    assert named(source.parent / "out") == [f"{number}.png" for number in range(8) if number != 3]
    (failure,) = summary.failures.values()
    assert "3.png" in failure
    assert "3.png" not in in_ledger(source.parent / "out")
    assert run(source, write).written[0].name == "3.png"


def test_a_full_disk_gives_no_name_to_any_that_follows(source: Path) -> None:
    later = threading.Event()

    def fill(job: Job, file: BinaryIO) -> None:
        if job.name == "2.png":
            later.wait(5)  # until one that comes after it is written
            raise OSError(errno.ENOSPC, "No space left on device")
        write(job, file)
        if job.name == "3.png":
            later.set()

    summary = run(source, fill)
    assert named(source.parent / "out") == ["0.png", "1.png"]
    assert summary.disk_full == source.parent / "out" / "2.png"
    assert [job.name for job in summary.left] == [f"{number}.png" for number in range(2, 8)]
    assert not list((source.parent / "out").glob(".unfinished*"))


def test_ctrl_c_still_writes_what_was_computed(source: Path) -> None:
    def slow(job: Job, file: BinaryIO) -> None:
        time.sleep(0.2)
        write(job, file)

    def interrupt(job: Job) -> None:
        if job.name == "4.png":
            raise KeyboardInterrupt

    summary = run(source, slow, computed=interrupt)
    assert summary.interrupted
    assert named(source.parent / "out") == [f"{number}.png" for number in range(4)]
    assert [job.name for job in summary.left] == [f"{number}.png" for number in range(4, 8)]


def test_a_second_ctrl_c_gives_up_what_has_no_name(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(job: Job, file: BinaryIO) -> None:
        time.sleep(0.3)
        write(job, file)

    def interrupt(job: Job) -> None:
        if job.name == "4.png":
            raise KeyboardInterrupt

    def again(self: WriteQueue) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WriteQueue, "wait_for_all", again)
    summary = run(source, slow, computed=interrupt)
    output = source.parent / "out"
    assert summary.interrupted
    assert len(named(output)) < 4
    assert not list(output.glob(".unfinished*"))
    assert {job.picture.name for job in summary.left} == {f"{n}.png" for n in range(8)} - set(named(output))


def test_memory_under_way_is_bounded(source: Path) -> None:
    queue, written = WriteQueue(max_bytes=100), threading.Event()
    order: list[str] = []

    def wait(file: BinaryIO) -> None:
        written.wait(10)
        order.append("written")

    target = source.parent / "out" / "a"
    queue.put({target: wait}, lambda *_: None, lambda _: None, num_bytes=101)
    threading.Timer(0.1, written.set).start()
    queue.wait_for_room()
    order.append("room")
    queue.close()
    assert order == ["written", "room"]


KILLED = """
import os, pathlib, signal, sys, threading, time
from srgan.prediction import Ledger, plan_jobs, run_jobs
source, output, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
def process(job, ahead):
    def write(file):
        for _ in range(10):
            file.write(job.source.read_bytes() * 100)
            file.flush()
            time.sleep(0.002 * int(job.source.stem))
    if job.name == "2.png":
        threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    return {job.picture: write}
run_jobs(plan_jobs(source, output, format="png"), process, ledger=Ledger(output), made_with="s")
time.sleep(10)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.04, 0.09])
def test_a_kill_leaves_whole_files_and_a_true_ledger(source: Path, seconds: float) -> None:
    output = source.parent / "out"
    done = run_script([sys.executable, "-c", KILLED, str(source), str(output), str(seconds)])
    assert done.returncode == -signal.SIGKILL
    names = named(output)
    assert names == [f"{number}.png" for number in range(len(names))]
    noted = in_ledger(output)
    for name in names:
        content = (output / name).read_bytes()
        assert content == (source / name).read_bytes() * 1000
        assert noted[name] == hashlib.sha256(content).hexdigest()
    summary = run(source, write)
    assert summary.complete
    assert [job.name for job in summary.skipped] == names
    assert named(output) == [f"{number}.png" for number in range(8)]
    assert not [path for path in os.listdir(output) if path.startswith(".unfinished")]
