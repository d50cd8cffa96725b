"""Tests of train.py on two processes: the same training as on one, and one end for both."""

import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from srgan.commands import train

pytestmark = pytest.mark.slow

Compose = Callable[..., DictConfig]
Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

_MAX_SECONDS = 60  # in which all processes must have ended


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("generator.norm=none", "trainer.max_steps=5", "model.pretrain_steps=5"), id="pretraining"),
        pytest.param(
            ("generator.norm=none", "discriminator=unet_sn", "trainer.max_steps=4", "model.pretrain_steps=2"),
            id="both phases without BatchNorm",
        ),
    ],
)
def test_two_processes_make_the_steps_of_one(
    compose_train: Compose, run_train: Run, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    # With so large an epsilon Adam's step is nearly proportional to the gradient, as is the rounding in it.
    adam = [f"+model.{network}_optimizer.eps=1e-3" for network in ("generator", "discriminator")]
    # The folder of a network's settings comes before those of its size.
    common = (*settings, "generator.num_blocks=1", "generator.channels=4", *adam)
    train.train(compose_train(*common, "data.batch_size=4"))  # one process: this one
    together = tmp_path / "together"
    done = run_train(*common, "data.batch_size=2", "trainer.devices=2", f"hydra.run.dir={together}")
    assert done.returncode == 0, done.stderr
    finals = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (tmp_path / "run", together)
    ]
    torch.testing.assert_close(finals[1], finals[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("to_first", [True, False], ids=["to the first", "to the second"])
def test_sigterm_to_one_ends_both_with_a_checkpoint(train_command: Command, tmp_path: Path, to_first: bool) -> None:
    run = tmp_path / "run"
    line = train_command("trainer.devices=2", "trainer.max_steps=1000000", f"hydra.run.dir={run}")
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: bool(list(run.glob("csv/*/metrics.csv"))))
        (second,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(process.pid if to_first else int(second), signal.SIGTERM)
        _, errors = process.communicate(timeout=_MAX_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, errors
    wait_until(lambda: not Path(f"/proc/{second}").exists())
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] > 0


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


def test_two_processes_share_one_cache(run_train: Run, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    done = run_train("trainer.devices=2", "trainer.max_steps=2", f"data.cache_dir={cache}", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("Decoded photos:") == 1
    assert len([path for path in cache.iterdir() if path.name != ".lock"]) == 5  # one a photo, and nothing unfinished
