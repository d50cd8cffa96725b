"""Tests of train.py on two processes: the same training as on one, and one end for both.

They are started by Lightning, by torchrun, or by SLURM's srun on two nodes.
"""

import csv
import math
import os
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from srgan.commands import train
from srgan.evaluation.score_file import read_scores
from tests.forked import Script, run_script

pytestmark = pytest.mark.slow

Compose = Callable[..., DictConfig]
Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

_MAX_SECONDS = 60  # in which all processes must have ended
_MAX_SECONDS_TO_TRAIN = 600

_STEPS = (
    "generator.norm=none",
    "discriminator=unet_sn",
    "generator.num_blocks=1",  # the folder of a network's settings comes before those of its size
    "generator.channels=4",
    "model.ema_decay=0.9",
    "model.pretrain_steps=2",
    "trainer.max_steps=4",
    # With so large an epsilon Adam's step is nearly proportional to the gradient, as is the rounding in it.
    "+model.generator_optimizer.eps=1e-3",
    "+model.discriminator_optimizer.eps=1e-3",
)


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def run_together(lines: list[list[str]], environments: list[dict[str, str]]) -> None:
    """Run all of them at once, each in an environment of its own, to the end."""
    processes = [
        subprocess.Popen(line, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line, own in zip(lines, environments, strict=True)
    ]
    try:
        outputs = [process.communicate(timeout=_MAX_SECONDS_TO_TRAIN)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)


def srun(*, rank: int, port: str) -> dict[str, str]:
    """What srun sets for the one task of each of two nodes, here both at this machine."""
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "train",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_NODEID": str(rank),
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": "0",
        "MASTER_PORT": port,  # else it follows from the job's number, and might be taken
    }


@pytest.fixture(scope="module")
def together(train_command: Command, tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, str]":
    """The folder of a run of both phases in two processes, and what they have said."""
    folder = tmp_path_factory.mktemp("together")
    cache = f"data.cache_dir={folder / 'cache'}"
    done = run_script(
        train_command(*_STEPS, "data.batch_size=2", "trainer.devices=2", cache, "hydra.run.dir=run"), cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def final(run: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def test_two_processes_make_the_steps_of_one(
    compose_train: Compose, together: "tuple[Path, str]", tmp_path: Path
) -> None:
    train.train(compose_train(*_STEPS, "data.batch_size=4"))  # one process: this one
    alone, shared = (final(run)["state_dict"] for run in (tmp_path / "run", together[0] / "run"))
    torch.testing.assert_close(shared, alone, rtol=1e-4, atol=1e-5)


def test_two_processes_score_each_photo_once(together: "tuple[Path, str]") -> None:
    run = together[0] / "run"
    scores = read_scores(run)["scores"]["last"]
    assert len(scores) == 2 + 1  # two validation photos and the mean
    with (run / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        logged = [row["val/psnr_y"] for row in csv.DictReader(file) if row["val/psnr_y"]]
    assert math.isclose(float(logged[-1]), scores["mean"]["psnr_y"], rel_tol=1e-4)


def test_two_processes_share_one_cache(together: "tuple[Path, str]") -> None:
    folder, said = together
    assert said.count("Decoded photos:") == 1
    # One file a photo, and nothing unfinished.
    assert len([path for path in (folder / "cache").iterdir() if path.name != ".lock"]) == 5


def test_launchers_train_as_lightnings_own(
    train_command: Command, together: "tuple[Path, str]", tmp_path: Path
) -> None:
    def line(name: str, *settings: str) -> list[str]:
        return train_command(*_STEPS, "data.batch_size=2", *settings, f"hydra.run.dir={tmp_path / name}")

    python, *script = line("torchrun", "trainer.devices=2")
    torchrun = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run_together([[*torchrun, *script]], [{}])
    port, task = free_port(), line("srun", "trainer.num_nodes=2")
    run_together([task, task], [srun(rank=rank, port=port) for rank in (0, 1)])
    own = final(together[0] / "run")
    for other in (final(tmp_path / name) for name in ("torchrun", "srun")):
        assert other["global_step"] == own["global_step"] == 4
        torch.testing.assert_close(other["state_dict"], own["state_dict"], rtol=0, atol=0)


@pytest.mark.parametrize("to_first", [True, False], ids=["to the first", "to the second"])
def test_sigterm_to_one_ends_both_with_a_checkpoint(train_command: Command, tmp_path: Path, to_first: bool) -> None:
    run = tmp_path / "run"
    line = train_command("trainer.devices=2", "trainer.max_steps=1000000", f"hydra.run.dir={run}")
    script = Script(line, cwd=tmp_path)
    try:
        wait_until(lambda: bool(list(run.glob("csv/*/metrics.csv"))))
        (second,) = Path(f"/proc/{script.pid}/task/{script.pid}/children").read_text().split()
        os.kill(script.pid if to_first else int(second), signal.SIGTERM)
        done = script.finish(timeout=_MAX_SECONDS)
    finally:
        script.kill()
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    wait_until(lambda: not Path(f"/proc/{second}").exists())
    assert final(run)["global_step"] > 0


@pytest.mark.parametrize("rank", [0, 1])
def test_a_fault_in_one_ends_both_with_its_traceback(
    run_train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    source = """
        from lightning import Callback

        class Fault(Callback):
            def on_train_batch_end(self, trainer, *_):
                if trainer.global_step == 3 and trainer.global_rank == RANK:
                    raise RuntimeError(f"fault in process {trainer.global_rank}")
    """
    (tmp_path / "fault.py").write_text(textwrap.dedent(source).replace("RANK", str(rank)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    start = time.monotonic()
    done = run_train("trainer.devices=2", "+callbacks.fault._target_=fault.Fault", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode not in (0, None)
    assert f"RuntimeError: fault in process {rank}" in done.stderr
    assert time.monotonic() - start < 2 * _MAX_SECONDS  # start-up included


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
