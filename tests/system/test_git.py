"""Tests of srgan.system.git: which code a run was made with."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from srgan.system.git import git_commit


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source file of a checkout with one commit, also where git's hooks run these tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "checkout" / "package" / "code.py"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    git(file.parent.parent, "init", "-q")
    git(file.parent, "add", ".")
    git(file.parent, "commit", "-qm", "first")
    git(file.parent, "tag", "-m", "one", "v1")
    return file


def test_commit_of_a_clean_checkout(file: Path) -> None:
    assert git_commit(file) == git(file.parent, "rev-parse", "HEAD")
    (file.parent.parent / "photo.png").touch()  # is not code
    assert git_commit(file) == git(file.parent, "rev-parse", "HEAD")


def test_changes_are_told(file: Path) -> None:
    file.write_text("2")
    assert git_commit(file) == git(file.parent, "rev-parse", "HEAD") + "-dirty"
    git(file.parent, "add", ".")
    assert git_commit(file) == git(file.parent, "rev-parse", "HEAD") + "-dirty"


def test_none_outside_a_checkout_and_for_untracked_files(file: Path, tmp_path: Path) -> None:
    outside = tmp_path / "code.py"
    outside.touch()
    assert git_commit(outside) is None
    installed = file.parent.parent / ".venv" / "code.py"
    installed.parent.mkdir()
    installed.touch()
    assert git_commit(installed) is None


def test_the_checkout_of_a_surrounding_git_hook_is_not_meant(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = git_commit(file)
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert git_commit(file) == expected


def test_none_without_git_or_with_one_that_hangs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(file) is None
    (tmp_path / "git").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    start = time.monotonic()
    assert git_commit(file) is None
    assert time.monotonic() - start < 20
