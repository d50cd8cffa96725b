"""Tests of the package as people install it: in an environment of its own, used in an empty folder."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from srgan.pictures.rgb import read_image

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
_PARTS = ("src", "conf", "setup.py", "pyproject.toml", "README.md", "LICENSE")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, in which setuptools may write."""
    folder = tmp_path_factory.mktemp("source")
    for name in _PARTS:
        if (PROJECT / name).is_dir():
            ignore = shutil.ignore_patterns("*.egg-info", "__pycache__")
            shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(PROJECT / name, folder)
    return folder


def environment(folder: Path, *what: str) -> Path:
    """A new environment's programs, with what is installed there; all else is that which runs the tests."""
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    scripts, packages = (Path(sysconfig.get_path(kind, "venv", paths)) for kind in ("scripts", "purelib"))
    (packages / "others.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    options = ("--quiet", "--no-deps", "--no-index", "--ignore-installed", "--no-build-isolation")
    line = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", *options, *what]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=_variables(scripts))
    assert done.returncode == 0, done.stderr
    return scripts


def _variables(scripts: Path) -> dict[str, str]:
    """The environment of someone who has activated it."""
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": path}


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel."""
    wheels = tmp_path_factory.mktemp("wheels")
    line = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
    ]
    done = subprocess.run([*line, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.iterdir()
    return environment(tmp_path_factory.mktemp("environment"), str(wheel))


def run(scripts: Path, folder: Path, *line: str) -> "subprocess.CompletedProcess[str]":
    program = str(scripts / line[0])
    return subprocess.run(
        [program, *line[1:]], cwd=folder, capture_output=True, text=True, check=False, env=_variables(scripts)
    )


def test_an_installed_wheel_enlarges_a_photo(installed: Path, tmp_path: Path) -> None:
    Image.new("RGB", (12, 8)).save(tmp_path / "photo.png")
    done = run(installed, tmp_path, "srgan", "photo.png", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert read_image(tmp_path / "out" / "photo.png").shape == (1, 3, 32, 48)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photo.png"]


def test_an_installed_wheel_trains_on_two_processes(installed: Path, train_command: Command, tmp_path: Path) -> None:
    settings = train_command("trainer.max_steps=2", "trainer.devices=2")[2:]
    done = run(installed, tmp_path, "srgan", "train", *settings)
    assert done.returncode == 0, done.stderr
    (weights,) = tmp_path.glob("logs/train/runs/*/generator.safetensors")  # where the user stands
    checkpoint = torch.load(weights.parent / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    following = shlex.split(done.stdout.rstrip().splitlines()[-1].removeprefix("Next: "))
    assert following[:2] == ["srgan", "predict"]
    assert run(installed, tmp_path, *following).returncode == 0
    assert read_image(tmp_path / "out" / "chelsea.png").shape == (1, 3, 1200, 1792)
    done = run(installed, tmp_path, "srgan", "score", *settings, f"ckpt_path={weights}", "hydra.run.dir=scored")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scored" / "scores.json").is_file()


def test_an_installed_wheel_has_the_doctor(installed: Path, photos: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "srgan", "doctor", "data=folder", f"data.root={photos}", "data.val_fraction=0.4")
    assert done.returncode == 1, done.stderr
    assert "3 train and 2 val photos checked" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_editable_install_finds_its_settings(source: Path, tmp_path: Path) -> None:
    scripts = environment(tmp_path / "environment", "--editable", str(source))
    (tmp_path / "empty").mkdir()
    done = run(scripts, tmp_path / "empty", "srgan", "train", "--cfg", "job", "--package", "seed")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["0"]), done.stderr
    setting = source / "conf" / "train.yaml"
    setting.write_text(setting.read_text(encoding="utf-8").replace("seed: 0", "seed: 7"), encoding="utf-8")
    done = run(scripts, tmp_path / "empty", "srgan", "train", "--cfg", "job", "--package", "seed")
    assert done.stdout.splitlines()[-1:] == ["7"], done.stderr
