"""Tests of benchmarks/gpu.sh where there is no card: stand-ins write down what it would run."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from benchmarks import gpu
from benchmarks.shared.measure import ROOT

SCRIPT = ROOT / "benchmarks" / "gpu.sh"


def run_script(tmp_path: Path, *, code: int = 0) -> tuple[int, list[list[str]]]:
    """Its exit code and its command lines, each of which ends with a code."""
    written, tools = tmp_path / "written", tmp_path / "tools"
    tools.mkdir()
    for name in ("python", "nvidia-smi"):
        stand_in = tools / name
        stand_in.write_text(f'#!/bin/bash\n(IFS=$\'\\t\'; echo "$*") >> "{written}"\nexit {code}\n')
        stand_in.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(tools / "python"), "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, check=False)
    return done.returncode, [line.split("\t") for line in written.read_text().splitlines()]


def test_all_that_it_runs_exists(tmp_path: Path, compose_train: Callable[..., DictConfig]) -> None:
    code, (_, tests, measure, training, prediction) = run_script(tmp_path)
    assert code == 0
    assert all((ROOT / argument).is_file() for argument in tests if argument.endswith(".py"))
    assert measure == ["-m", gpu.__name__]
    settings = compose_train(*(each for each in training[1:] if not each.startswith("hydra.")), tiny=False)
    assert 0 < settings.model.pretrain_steps < settings.trainer.max_steps
    (pictures,) = (ROOT / argument.removeprefix("input=") for argument in prediction if argument.startswith("input="))
    assert pictures.is_dir()


def test_a_part_that_fails_keeps_none_from_running(tmp_path: Path) -> None:
    code, lines = run_script(tmp_path, code=3)
    assert code == 1
    assert len(lines) == 5


def test_limits_add_up_to_less_than_eight_minutes() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    (grace,) = re.findall(r"--kill-after=(\d+)", text)
    limits = [int(limit) + int(grace) for limit in re.findall(r'^part "[^"]+" (\d+) ', text, flags=re.MULTILINE)]
    assert len(limits) == 5
    assert sum(limits) < 8 * 60
