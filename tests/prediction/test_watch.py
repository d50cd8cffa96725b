"""Tests of keeping results up to date: whole files only, each once, until Ctrl-C; also of a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from srgan.networks import Generator
from srgan.prediction import Job, Summary
from srgan.prediction.jobs import plan_jobs
from srgan.prediction.predict import Prediction
from srgan.prediction.watch import keep_up_to_date
from srgan.weights import save_generator

PROJECT = Path(__file__).parents[2]


class Folder:
    """A folder that changes between looks, and what was run at each."""

    def __init__(self, folder: Path, *changes: Callable[[], object]) -> None:
        self._folder, self._changes = folder, list(changes)
        self.runs: list[list[str]] = []
        self.told: list[str] = []

    def plan(self) -> list[Job]:
        names = sorted(path.name for path in self._folder.iterdir() if path.suffix == ".in")
        return [Job(name, self._folder / name, (self._folder / f"{name}.out",)) for name in names]

    def run(self, jobs: Sequence[Job]) -> Summary:
        self.runs.append([job.name for job in jobs])
        summary = Summary()
        for job in jobs:
            if job.source.read_bytes() == b"bad":
                summary.failures[job] = f"{job.name} is bad"
            else:
                job.picture.write_bytes(b"")
                summary.written.append(job)
        return summary

    def wait(self, _: float) -> None:
        """Each wait is the time for one change; behind the last one comes Ctrl-C."""
        if not self._changes:
            raise KeyboardInterrupt
        self._changes.pop(0)()

    def watch(self) -> Summary:
        return keep_up_to_date(self.plan, self.run, wait=self.wait, tell=self.told.append)


def nothing() -> None:
    pass


def test_a_file_is_done_once_it_has_stopped_growing(tmp_path: Path) -> None:
    path = tmp_path / "a.in"
    folder = Folder(
        tmp_path, lambda: path.write_bytes(b"1"), lambda: path.write_bytes(b"12"), nothing, nothing, nothing
    )
    summary = folder.watch()
    assert folder.runs == [["a.in"]]
    assert (len(summary.written), summary.interrupted) == (1, True)
    assert str(summary) == "Stopped watching: 1 enlarged. The same command goes on."


def test_a_changed_input_and_a_lost_result_are_done_again(tmp_path: Path) -> None:
    for name in ("a.in", "b.in"):
        (tmp_path / name).write_bytes(b"1")
    folder = Folder(
        tmp_path,
        nothing,
        lambda: (tmp_path / "a.in").write_bytes(b"12"),
        nothing,
        (tmp_path / "b.in.out").unlink,
        nothing,
    )
    folder.watch()
    assert folder.runs == [["a.in", "b.in"], ["a.in"], ["b.in"]]


def test_what_failed_is_tried_again_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.in"
    path.write_bytes(b"bad")
    folder = Folder(tmp_path, *[nothing] * 4, lambda: path.write_bytes(b"good"), nothing, nothing)
    summary = folder.watch()
    assert folder.runs == [["a.in"]] * 2
    assert str(summary) == "Stopped watching: 1 enlarged. The same command goes on."  # which it is now


def test_the_last_count_is_of_what_each_picture_is_now(tmp_path: Path) -> None:
    for name, content in {"spoilt": b"good", "mended": b"bad", "bad": b"bad", "deleted": b"bad", "twice": b"1"}.items():
        (tmp_path / f"{name}.in").write_bytes(content)

    def change() -> None:
        (tmp_path / "spoilt.in").write_bytes(b"bad")
        (tmp_path / "mended.in").write_bytes(b"good")
        (tmp_path / "twice.in").write_bytes(b"12")
        (tmp_path / "deleted.in").unlink()

    summary = Folder(tmp_path, nothing, change, nothing, nothing).watch()
    assert str(summary) == "Stopped watching: 2 enlarged, 2 failed. The same command goes on."
    assert list(summary.failures.values()) == ["bad.in is bad", "spoilt.in is bad"]


def test_a_folder_that_cannot_be_listed_is_told_of_once(tmp_path: Path) -> None:
    away = tmp_path / "away"
    folder = Folder(away, nothing, nothing, away.mkdir, lambda: (away / "a.in").write_bytes(b"1"), nothing)
    folder.watch()
    assert len(folder.told) == 1
    assert str(away) in folder.told[0]
    assert folder.runs == [["a.in"]]


def test_names_that_meet_later_do_not_end_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, nothing, (tmp_path / "b.in").touch, nothing, (tmp_path / "b.in").unlink, nothing)
    (tmp_path / "a.in").touch()

    def plan() -> list[Job]:
        if (tmp_path / "b.in").exists():
            raise ValueError("a and b would both be written to c.")
        return folder.plan()

    keep_up_to_date(plan, folder.run, wait=folder.wait, tell=folder.told.append)
    assert (folder.told, folder.runs) == (["a and b would both be written to c."], [["a.in"]])


def test_what_cannot_be_is_said_at_the_first_look(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another folder than the input's"):
        Prediction(source=tmp_path, output=tmp_path, watch=True, ckpt="srresnet", device="cpu").run()


def test_an_empty_folder_keeps_no_other_waiting(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "a.png").touch()
    sources, output = [tmp_path / "full", tmp_path / "empty"], tmp_path / "out"
    (job,) = plan_jobs(sources, output, format="png", may_be_empty=True)
    assert job.picture == output / "a.png"
    with pytest.raises(FileNotFoundError, match=r"under .*empty, found none"):
        plan_jobs(sources, output, format="png")


def test_a_full_disk_ends_it_with_what_is_left(tmp_path: Path) -> None:
    job = Job("a", tmp_path / "a", (tmp_path / "b",))
    (tmp_path / "a").touch()
    full = Summary(disk_full=tmp_path / "b", left=[job])
    summary = keep_up_to_date(lambda: [job], lambda _: full, wait=lambda _: None)
    assert not summary.interrupted
    assert "No space left" in str(summary)


def _until(happens: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_real_process_follows_a_folder_until_ctrl_c(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Image.new("RGB", (9, 8), "teal").save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    line = [sys.executable, str(PROJECT / "predict.py"), f"input={source}", f"output={output}", "watch=true"]
    line += [f"ckpt={tmp_path / 'tiny.safetensors'}", "device=cpu"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs do not have
    try:
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"Watching {source}; Ctrl-C ends it.\n"
        (source / "a.png").write_bytes(content)
        _until((output / "a.png").exists)
        Image.new("RGB", (5, 4), "red").save(tmp_path / "other.png")
        os.replace(tmp_path / "other.png", source / "a.png")

        def is_new() -> bool:
            with Image.open(output / "a.png") as image:
                return image.size == (20, 16)

        _until(is_new)
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        assert process.wait() == 130
    assert errors.splitlines()[-1] == "Stopped watching: 1 enlarged. The same command goes on."
    assert "Traceback" not in errors


def test_a_misspelled_folder_is_not_waited_for(tmp_path: Path) -> None:
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4))
    weights = str(tmp_path / "tiny.safetensors")
    with pytest.raises(FileNotFoundError, match="misspelled does not exist"):
        Prediction(
            source=tmp_path / "misspelled", output=tmp_path / "out", watch=True, ckpt=weights, device="cpu"
        ).run()
