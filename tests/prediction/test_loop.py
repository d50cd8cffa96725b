"""Tests of the loop: what is done, skipped, kept and reported, and that whatever ends it, the next run goes on."""

import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from srgan.prediction import Job, Ledger, Records, Shard, Summary, fingerprint, plan_jobs, run_jobs
from srgan.prediction.write_queue import Writer
from tests.forked import run_script


class Enlarger:
    """Writes an input's bytes four times, refuses ``bad``, and remembers what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
        content = job.source.read_bytes()
        if content == b"bad":
            raise ValueError(f"Cannot read {job.source}: its content is no picture.")
        self.done.append(job.name)
        return {job.picture: lambda file: file.write(content * 4)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three inputs in a tree."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def run(source: Path, process: Enlarger, *, settings: str = "s", overwrite: bool = False) -> Summary:
    output = source.parent / "out"
    jobs = plan_jobs(source, output, format="png", owners=Records(output).owners)
    return run_jobs(jobs, process, ledger=Ledger(output), made_with=settings, overwrite=overwrite)


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".srgan-ledger"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def expected(*names: str) -> dict[str, bytes]:
    return {name: name.encode() * 4 for name in names or ("a.png", "b.png", "sub/c.png")}


def test_what_is_done_is_not_done_again(source: Path) -> None:
    first, second = Enlarger(), Enlarger()
    assert len(run(source, first).written) == 3
    assert files(source.parent / "out") == expected()
    summary = run(source, second)
    assert second.done == []
    assert (len(summary.skipped), summary.complete, str(summary)) == (3, True, "3 done before")


def test_a_changed_input_and_other_settings_are_done_again(source: Path) -> None:
    run(source, Enlarger())
    (source / "b.png").write_bytes(b"new")
    process = Enlarger()
    run(source, process)
    assert process.done == ["b.png"]
    assert (source.parent / "out" / "b.png").read_bytes() == b"new" * 4
    process = Enlarger()
    run(source, process, settings="others")
    assert len(process.done) == 3


def test_the_settings_and_the_content_of_the_weights_decide(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"old")
    before = fingerprint({"strength": 1.0}, [weights])
    assert fingerprint({"strength": 1.0}, [weights]) == before
    assert fingerprint({"strength": 0.5}, [weights]) != before
    weights.write_bytes(b"new")
    assert fingerprint({"strength": 1.0}, [weights]) != before


def test_files_of_others_and_edited_results_are_kept_unless_told(source: Path) -> None:
    output = source.parent / "out"
    output.mkdir()
    (output / "a.png").write_bytes(b"theirs")
    run(source, Enlarger())
    (output / "b.png").write_bytes(b"edited")
    summary = run(source, Enlarger(), settings="others")
    assert summary.kept == [output / "a.png", output / "b.png"]
    assert files(output) == {**expected(), "a.png": b"theirs", "b.png": b"edited"}
    assert summary.complete
    assert str(output / "a.png") in str(summary)
    assert "overwrite=true" in str(summary)
    run(source, Enlarger(), settings="others", overwrite=True)
    assert files(output) == expected()


@pytest.fixture
def other_source(source: Path) -> Path:
    """Another picture of one name in another folder."""
    folder = source.parent / "other"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"other")
    return folder


def test_the_result_of_another_picture_is_not_replaced(source: Path, other_source: Path) -> None:
    run(source, Enlarger())
    for settings in ("s", "others"):
        process = Enlarger()
        summary = run(other_source, process, settings=settings)
        assert process.done == []
        assert not summary.complete
        assert files(source.parent / "out") == expected()
        assert f"a.png is the result of {source / 'a.png'}, another picture. Name another output=" in str(summary)
    run(other_source, Enlarger(), overwrite=True)
    assert files(source.parent / "out")["a.png"] == b"other" * 4


def test_the_result_of_a_picture_that_has_gone_is_replaced(source: Path, other_source: Path) -> None:
    run(source, Enlarger())
    (source / "a.png").unlink()
    assert run(other_source, Enlarger()).complete
    assert files(source.parent / "out")["a.png"] == b"other" * 4


def test_a_moved_input_folder_keeps_its_results(source: Path) -> None:
    run(source, Enlarger())
    moved = source.rename(source.parent / "moved")
    (moved / "b.png").write_bytes(b"new")
    process = Enlarger()
    assert run(moved, process).complete
    assert process.done == ["b.png"]


@pytest.mark.parametrize("has_its_name", [True, False])
def test_two_pictures_at_once_do_not_take_one_name(source: Path, other_source: Path, has_its_name: bool) -> None:
    output = source.parent / "out"

    class Slow(Enlarger):
        def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
            if job.source.parent == other_source:  # while it works another command ends, but for the file's name
                run(source, Enlarger())
                if not has_its_name:
                    (output / "a.png").unlink()
            return super().__call__(job)

    summary = run(other_source, Slow())
    assert "another picture" in str(summary)
    assert files(output) == expected(*(["a.png"] if has_its_name else []), "b.png", "sub/c.png")


def test_what_an_equal_command_has_done_meanwhile_is_not_foreign(source: Path) -> None:
    class Slow(Enlarger):
        def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
            if job.name == "a.png":
                run(source, Enlarger())
            return super().__call__(job)

    process = Slow()
    summary = run(source, process)
    assert (process.done, summary.kept, summary.complete) == (["a.png"], [], True)
    assert len(summary.skipped) == 2


def test_a_file_that_appears_meanwhile_is_kept(source: Path) -> None:
    output = source.parent / "out"

    class Slow(Enlarger):
        def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
            (output / "a.png").write_bytes(b"theirs")
            return super().__call__(job)

    assert "it is kept" in str(run(source, Slow()))
    assert files(output)["a.png"] == b"theirs"


def test_a_picture_beside_an_enlarged_one_gets_a_name_of_its_own(source: Path) -> None:
    run(source, Enlarger())
    (source / "a.jpg").write_bytes(b"a.jpg")
    output = source.parent / "out"
    jobs = plan_jobs(source / "a.jpg", output, format="png", owners=Records(output).owners)
    assert run_jobs(jobs, Enlarger(), ledger=Ledger(output), made_with="s").complete
    everything = {**expected(), "a.jpg.png": b"a.jpg" * 4}
    assert files(output) == everything
    process = Enlarger()
    assert run(source, process).complete
    assert (process.done, files(output)) == ([], everything)


def test_a_bad_file_is_reported_and_the_rest_goes_on(source: Path) -> None:
    (source / "a.png").write_bytes(b"bad")
    (source / "d.png").symlink_to(source / "nowhere")
    (source / "e.png").symlink_to(source / "e.png")
    summary = run(source, Enlarger())
    assert files(source.parent / "out") == expected("b.png", "sub/c.png")
    assert not summary.complete
    assert len(summary.failures) == 3
    assert all(str(source / name) in str(summary) for name in ("a.png", "d.png", "e.png"))


def test_pipes_and_devices_are_reported_rather_than_waited_for(source: Path) -> None:
    os.mkfifo(source / "p.png")
    (source / "zero.png").symlink_to("/dev/zero")
    (source / "linked.png").symlink_to(source / "a.png")  # a file as any other
    summary = run(source, Enlarger())
    assert [job.name for job in summary.written] == ["a.png", "b.png", "linked.png", "sub/c.png"]
    assert [message.partition(" to be a file")[0] for message in summary.failures.values()] == [
        f"Expected {source / name}" for name in ("p.png", "zero.png")
    ]


def test_a_full_disk_leaves_no_half_file_and_lists_the_rest(source: Path) -> None:
    class Full(Enlarger):
        def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
            writers = super().__call__(job)

            def write_half(file: object) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            return {job.picture: write_half} if job.name == "b.png" else writers

    summary = run(source, Full())
    assert files(source.parent / "out") == expected("a.png")
    assert "No space left" in str(summary)
    assert [str(source / name) in str(summary) for name in ("a.png", "b.png", "sub/c.png")] == [False, True, True]
    assert not summary.complete
    assert len(run(source, Enlarger()).written) == 2


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(source: Path) -> None:
    class Interrupted(Enlarger):
        def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> Mapping[Path, Writer]:
            if job.name == "b.png":
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(job)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs do not have
    try:
        summary = run(source, Interrupted())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (summary.interrupted, summary.complete) == (True, False)
    assert "the same command goes on with the other 2" in str(summary)
    assert files(source.parent / "out") == expected("a.png")
    process = Enlarger()
    assert run(source, process).complete
    assert process.done == ["b.png", "sub/c.png"]


KILLED_BEFORE_THE_NAME = """
import os, pathlib, signal, sys
from srgan.prediction import Ledger, plan_jobs, run_jobs
source, output = map(pathlib.Path, sys.argv[1:])
ledger = Ledger(output)
record = ledger.record
def die_after(target, digest, **noted):
    record(target, digest, **noted)
    if target.name == "b.png":
        os.kill(os.getpid(), signal.SIGKILL)
ledger.record = die_after
write = lambda job, ahead: {job.picture: lambda file: file.write(job.source.read_bytes() * 4)}
run_jobs(plan_jobs(source, output, format="png"), write, ledger=ledger, made_with="s")
"""


def test_killed_when_a_file_is_noted_but_has_no_name_yet(source: Path) -> None:
    output = source.parent / "out"
    done = run_script([sys.executable, "-c", KILLED_BEFORE_THE_NAME, str(source), str(output)])
    assert done.returncode == -signal.SIGKILL
    assert {"a.png", ".unfinished-b.png"} == set(files(output)) - {"sub/.unfinished-c.png"}
    process = Enlarger()
    assert run(source, process).complete
    assert process.done == ["b.png", "sub/c.png"]
    assert files(output) == expected()


def test_a_line_of_the_ledger_that_was_cut_short_spoils_no_other(source: Path) -> None:
    run(source, Enlarger())
    ledger = source.parent / "out" / ".srgan-ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])
    (source / "d.png").write_bytes(b"d.png")
    process = Enlarger()
    assert len(run(source, process).skipped) == 2
    assert process.done == ["d.png"]
    assert len(run(source, Enlarger()).skipped) == 3


def test_parts_know_what_others_have_done(source: Path) -> None:
    output = source.parent / "out"
    for index in range(2):
        jobs = plan_jobs(source, output, format="png", shard=Shard(index, 2))
        run_jobs(jobs, Enlarger(), ledger=Ledger(output, shard=Shard(index, 2)), made_with="s")
    process = Enlarger()
    assert len(run(source, process).skipped) == 3
    assert process.done == []


def test_an_output_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Expected output= to be a folder that can be written to, but .*file"):
        Ledger(tmp_path / "file")
    with pytest.raises(OSError, match="Choose another output="):
        Ledger(tmp_path / "file" / "out")


def test_whoever_watches_sees_the_remaining_time(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(source, Enlarger())
    assert capsys.readouterr().err == ""  # nobody watches
    (source / "b.png").write_bytes(b"new")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(source, Enlarger())
    assert "1/1" in capsys.readouterr().err  # those done before are not counted
