"""Whether training is exact as people run it: python -m benchmarks.exact.

Thirty steps of train.py with the default networks on the sample photos, ten of them pretraining: twice without a stop,
and once killed by SIGKILL in each phase and resumed; all of that in one process and in two. On as many threads as torch
takes by itself, or as OMP_NUM_THREADS says. All three must end with the same bits. Exit code 1 where they do not.
Validation, of which the result is not compared, makes do with two small cut-outs.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from PIL import Image
from torch import Tensor

from benchmarks.shared.measure import ROOT, parse, save, table
from benchmarks.shared.recipe import TINY

KILLS = (10, 21)  # before the first adversarial step, to resume in the pretraining; and amid the adversarial phase
_PARTS = ("generator", "discriminator", "average", "generator's optimizer", "discriminator's optimizer")
_RECIPE = (
    "seed=7",
    "vgg_weights=random",
    "model.pretrain_steps=10",
    "trainer.max_steps=30",
    "trainer.val_check_interval=15",
    "trainer.accelerator=cpu",
    "callbacks.last_checkpoint.every_n_steps=4",
    "logger=csv",
    "~callbacks.progress",
)


@dataclass(frozen=True)
class Difference:
    """How two states of a part differ: of so many tensors how many have other bits, and by how much at most."""

    tensors: int
    different: int
    largest: float


class KillAt(Callback):
    """End all processes of a run by SIGKILL, from the first one and before a step.

    Args:
        step: That step.
    """

    def __init__(self, *, step: int) -> None:
        self._step = step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Kill at the step."""
        if trainer.global_step == self._step and trainer.is_global_zero:
            os.killpg(os.getpgrp(), signal.SIGKILL)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, compare, print and save; 1 if anything differs."""
    options = parse(__doc__, argv)
    tiny = TINY if options.quick else ()
    print(f"{torch.get_num_threads()} threads; where there are two processes, Lightning shares them out.")
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for processes in (1,) if options.quick else (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            first, second, killed, photos = (Path(folder) / name for name in ("first", "second", "killed", "photos"))
            shares = (f"trainer.devices={processes}", f"data.batch_size={2 // processes}")
            settings = (*_RECIPE, *tiny, *shares, f"data.val_root={photos}")
            cut_out(photos)
            for run in (first, second):
                train(run, *settings)
            train_with_kills(killed, *settings)
            found = {name: compare(last(first), last(run)) for name, run in (("again", second), ("killed", killed))}
        rows = [[run, part, d.tensors, d.different, d.largest] for run, by in found.items() for part, d in by.items()]
        title = f"{'One process' if processes == 1 else 'Two processes'}, against the first run"
        table(title, ["run", "part", "tensors", "different", "largest difference"], rows)
        figures[str(processes)] = {run: {part: vars(d) for part, d in by.items()} for run, by in found.items()}
    save("exact", {"processes": figures}, options)
    differs = any(part["different"] for runs in figures.values() for by in runs.values() for part in by.values())
    print("Not exact: some tensors differ." if differs else "Exact: all runs ended with the same bits.")
    return int(differs)


def cut_out(folder: Path) -> None:
    """Make a folder of photos that take no time: two corners of a sample photo."""
    folder.mkdir()
    with Image.open(ROOT / "src/srgan/assets/photos/val/chelsea.png") as photo:
        for left in (0, 128):
            photo.crop((left, 0, left + 128, 128)).save(folder / f"{left}.png")


def train(folder: Path, *settings: str) -> None:
    """Train to the end."""
    code, output = _train_py(folder, *settings)
    if code:
        raise RuntimeError(f"train.py failed:\n{output}")


def train_with_kills(folder: Path, *settings: str) -> None:
    """Train to the end with a kill before each step of ``KILLS``, resumed from the checkpoint that is left."""
    resume: tuple[str, ...] = ()
    for step in KILLS:
        kill = ("+callbacks.kill._target_=benchmarks.exact.KillAt", f"+callbacks.kill.step={step}")
        code, output = _train_py(folder, *settings, *resume, *kill)
        if code != -signal.SIGKILL:
            raise RuntimeError(f"Expected a kill at step {step}, got:\n{output}")
        reached = torch.load(last(folder), weights_only=True)["global_step"]
        if not step - 4 <= reached < step:
            raise RuntimeError(f"Expected a checkpoint shortly before step {step}, got one of step {reached}.")
        resume = (f"ckpt_path={last(folder)}",)
    train(folder, *settings, *resume)


def last(folder: Path) -> Path:
    """The last checkpoint of a run."""
    return folder / "checkpoints" / "last.ckpt"


def compare(one: Path, other: Path) -> dict[str, Difference]:
    """Compare two checkpoints, part by part.

    Raises:
        ValueError: If they are not of the same step, or do not hold the same tensors.
    """
    (first, first_step), (second, second_step) = _parts(one), _parts(other)
    if first_step != second_step or any(first[part].keys() != second[part].keys() for part in _PARTS):
        raise ValueError(f"Expected two checkpoints of one step and the same networks, got {one} and {other}.")
    found = {}
    for part in _PARTS:
        pairs = [(first[part][name], second[part][name]) for name in first[part]]
        unequal = [(a.double() - b.double()).abs().max().item() for a, b in pairs if not torch.equal(a, b)]
        found[part] = Difference(len(pairs), len(unequal), max(unequal, default=0.0))
    return found


def _train_py(folder: Path, *settings: str) -> tuple[int, str]:
    """Run train.py: its exit code and what it printed."""
    # Threads that wait asleep change no bits, and leave a busy machine its cores.
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    command = [sys.executable, "train.py", *settings, f"hydra.run.dir={folder}"]
    # In a session of its own, so that a kill ends its processes and not this one; it then has to be ended from here.
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output.decode(errors="replace")


def _parts(path: Path) -> tuple[dict[str, dict[str, Tensor]], int]:
    checkpoint = torch.load(path, weights_only=True)
    state, optimizers = checkpoint["state_dict"], checkpoint["optimizer_states"]
    parts = {part: {name: value for name, value in state.items() if name.startswith(f"{part}.")} for part in _PARTS[:3]}
    parts |= {part: dict(_tensors(states["state"])) for part, states in zip(_PARTS[3:], optimizers, strict=True)}
    return parts, checkpoint["global_step"]


def _tensors(nested: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _tensors(value, f"{prefix}{name}.")
        elif isinstance(value, Tensor):
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # else a run would be left behind
    sys.exit(main())
