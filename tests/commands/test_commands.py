"""Tests of `srgan` itself: which command is meant, and answers that need nothing heavy."""

import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from srgan.commands import COMMANDS, run
from srgan.system.program import how_to_start, words_before_settings


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mock]:
    """All commands, none of which does anything."""
    mocks = {name: Mock(main=Mock(return_value=None)) for name in COMMANDS}
    monkeypatch.setattr("importlib.import_module", lambda name: mocks[name.rpartition(".")[2]])
    return mocks


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gets_what_comes_after_its_name(called: dict[str, Mock], name: str) -> None:
    called[name].main.return_value = 1
    assert run([name, "a=1", "--help"]) == 1
    called[name].main.assert_called_once_with(["a=1", "--help"])


@pytest.mark.parametrize(
    "line", [["a.jpg"], ["a.jpg", "b.jpg", "output=out"], ["folder"], ["./folder/"], ["-"], ["input=x"], ["photo"]]
)
def test_pictures_need_no_command(
    called: dict[str, Mock], line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo").touch()
    assert run(line) is None
    called["predict"].main.assert_called_once_with(line)


def test_a_word_that_is_no_command_is_answered(called: dict[str, Mock], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trian", "data=sample"]) == 2
    assert "Did you mean srgan train?" in capsys.readouterr().err
    assert run(["--cfg", "job"]) == 2
    assert "got --cfg" in capsys.readouterr().err


@pytest.mark.parametrize("line", [[], ["--help"], ["photos"]])
def test_help_and_mistakes_are_answered_at_once(line: list[str], tmp_path: Path) -> None:
    code = f"import sys; from srgan.commands import run; run({line!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {"torch", "hydra", "numpy"} & set(done.stdout.split())
    assert all(name in done.stdout + done.stderr for name in COMMANDS)


def test_the_next_command_is_of_the_kind_that_was_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["clone/train.py", "seed=1"])
    assert how_to_start("predict")[-1] == "clone/predict.py"
    assert words_before_settings("train") == []
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "srgan"), "seed=1"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert words_before_settings("train") == ["train"]
    assert how_to_start("train")[1:] == ["-m", "srgan", "train"]  # works without bin being on the path
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / "bin" / name))
    assert how_to_start("train") == ["srgan", "train"]


@pytest.mark.parametrize("option", [["--config-path=mine"], ["--config-path", "mine"], ["-cp", "mine"]])
def test_settings_of_ones_own_are_looked_for_where_one_stands(option: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.yaml").write_text("seed: 7")
    line = [sys.executable, "-m", "srgan", "train", *option, "--cfg", "job"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "seed: 7", done.stderr
