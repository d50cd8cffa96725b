"""Tests of two processes, however they are started: by Lightning, by torchrun, or by SLURM's srun on two nodes."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

Command = Callable[..., list[str]]

_MAX_SECONDS = 600


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
        outputs = [process.communicate(timeout=_MAX_SECONDS)[0] for process in processes]
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


def test_launchers_train_as_lightnings_own(train_command: Command, tmp_path: Path) -> None:
    def line(name: str, *settings: str) -> list[str]:
        phases = ("model.ema_decay=0.9", "model.pretrain_steps=2", "trainer.max_steps=4")
        return train_command(*phases, *settings, f"hydra.run.dir={tmp_path / name}")

    run_together([line("own", "trainer.devices=2")], [{}])
    python, *script = line("torchrun", "trainer.devices=2")
    torchrun = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run_together([[*torchrun, *script]], [{}])
    port, task = free_port(), line("srun", "trainer.num_nodes=2")
    run_together([task, task], [srun(rank=rank, port=port) for rank in (0, 1)])
    own, *others = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("own", "torchrun", "srun")
    )
    for other in others:
        assert other["global_step"] == own["global_step"] == 4
        torch.testing.assert_close(other["state_dict"], own["state_dict"], rtol=0, atol=0)
