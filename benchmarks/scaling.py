"""How the training step's cost grows: python -m benchmarks.scaling.

One process against two (DDP over gloo, threads and batch divided among them) and what these send each other, then batch
size, crop size and number of blocks one by one, with the cost law fitted to them; last, a paper estimate for eight GPUs
with its arithmetic.
"""

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.shared.measure import interleaved, median_ratio, parse, run_python, save, table
from benchmarks.shared.recipe import TINY, Recipe, StepClock
from benchmarks.train_step import nominal_flops

_BASE = {"batch_size": 8, "crop_size": 96, "num_blocks": 16}
_GRID: dict[str, tuple[int, ...]] = {"batch_size": (4, 16), "crop_size": (64, 128), "num_blocks": (2, 8)}
_QUICK_BASE = {"batch_size": 2, "crop_size": 32, "num_blocks": 1}
_QUICK_GRID: dict[str, tuple[int, ...]] = {"batch_size": (4,), "crop_size": (64,), "num_blocks": (2,)}

# Assumptions of the estimate for eight GPUs, each on the careful side.
_GPUS = 8
_BATCH_PER_GPU = 16
_PEAK_FLOPS = 156e12  # A100, dense TF32 (NVIDIA's data sheet)
_UTILISATION = 0.3  # of the peak; small batches of small crops
_LINKS = {"NVLink": 200e9, "PCIe 4 x16": 20e9}  # bytes/s that an all-reduce reaches per GPU

Point = dict[str, int]


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, counts the bytes handed to each collective operation, DDP's own ones as well."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, counted if it is collective."""
        if func.namespace == "c10d":
            tensors = args[0] if isinstance(args[0], list | tuple) else [args[0]]
            name = func.overloadpacket.__name__.rstrip("_")
            self.bytes[name] += sum(tensor.nbytes for tensor in tensors if isinstance(tensor, Tensor))
        return func(*args, **(kwargs or {}))


class LastStepsTraffic(Callback):
    """What a process sends in the last step, which takes longer for that."""

    def __init__(self) -> None:
        self.traffic = Traffic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Begin to count."""
        if trainer.global_step == trainer.max_steps - 1:
            self.traffic.__enter__()  # type: ignore[no-untyped-call]

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """The step is done."""
        if trainer.global_step == trainer.max_steps:
            self.traffic.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    tiny = TINY if options.quick else ()
    processes = over_processes(tiny, total_batch=4 if options.quick else 16, rounds=1 if options.quick else 2)
    print(f"\nTwo processes make {processes['ratio']:.2f}x the images a second of one.")
    base, grid = (_QUICK_BASE, _QUICK_GRID) if options.quick else (_BASE, _GRID)
    points = [base, *({**base, name: value} for name, values in grid.items() for value in values)]
    law = cost_law(points, measure_points(points, tiny))
    estimate = eight_gpus(tiny)
    save("scaling", {"processes": processes, "law": law, "eight_gpus": estimate}, options)


def over_processes(overrides: Sequence[str], *, total_batch: int, rounds: int) -> dict[str, Any]:
    """Images a second of one and of two processes that share the machine and the batch, and bytes that these send."""
    sent: dict[str, int] = {}

    def seconds_of(number: int) -> float:
        step = _step_of_processes(number, total_batch, overrides)
        sent.update(step["sent"])  # one process sends nothing
        return float(step["seconds"])

    seconds = interleaved({str(number): partial(seconds_of, number) for number in (1, 2)}, rounds=rounds, warm_up=0)
    rows = [
        [name, statistics.median(values), total_batch / statistics.median(values)] for name, values in seconds.items()
    ]
    table(f"Processes (batch of {total_batch} in all)", ["", "seconds a step", "images/s"], rows)
    table("Sent by each of two in a step", ["", "MB"], [[name, size / 1e6] for name, size in sent.items()])
    ratio = median_ratio(seconds["1"], seconds["2"])
    return {"seconds": seconds, "ratio": ratio, "total_batch": total_batch, "sent": sent}


def measure_points(points: Sequence[Point], overrides: Sequence[str]) -> list[float]:
    """Seconds of a step at each point."""
    return [_seconds_at(point, overrides) for point in points]


def cost_law(points: Sequence[Point], seconds: Sequence[float]) -> dict[str, Any]:
    """Fit seconds = a + b * megapixels + c * megapixels * blocks by least squares; megapixels are those of hr."""
    megapixels = np.array([point["batch_size"] * point["crop_size"] ** 2 / 1e6 for point in points])
    blocks = np.array([point["num_blocks"] for point in points])
    terms = np.stack([np.ones(len(points)), megapixels, megapixels * blocks], axis=1)
    measured = np.array(seconds)
    (a, b, c), *_ = np.linalg.lstsq(terms, measured, rcond=None)
    fitted = terms @ (a, b, c)
    r_squared = 1 - ((measured - fitted) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    rows = [
        [*point.values(), taken, law, point["batch_size"] / taken]
        for point, taken, law in zip(points, seconds, fitted.tolist(), strict=True)
    ]
    table("Cost of a step", ["batch", "crop", "blocks", "seconds", "law", "images/s"], rows)
    print(f"seconds = {a:.3g} + {b:.3g} Mpix + {c:.3g} Mpix x blocks   (Mpix of hr in the batch; R² = {r_squared:.4f})")
    return {"points": list(points), "seconds": list(seconds), "a": a, "b": b, "c": c, "r_squared": r_squared}


def eight_gpus(overrides: Sequence[str]) -> dict[str, Any]:
    """Paper estimate of images a second on eight GPUs, all-reduce and computation one after the other."""
    recipe = Recipe(*overrides)
    crop, scale = recipe.config.data.hr_crop_size, recipe.config.scale
    shapes = [(_BATCH_PER_GPU, 3, side, side) for side in (crop // scale, crop)]
    flops = sum(nominal_flops(recipe.textbook(), *shapes).values())
    compute = flops / (_UTILISATION * _PEAK_FLOPS)
    num_parameters = sum(p.numel() for p in recipe.model.parameters() if p.requires_grad)
    moved = 2 * (_GPUS - 1) / _GPUS * 4 * num_parameters  # each phase averages its own network's gradients
    print(f"\nEstimate for {_GPUS} GPUs, batch {_BATCH_PER_GPU} each (not measured)")
    print(
        f"computation   {flops / 1e9:.0f} GFLOP / ({_UTILISATION} x {_PEAK_FLOPS / 1e12:.0f} TFLOP/s)"
        f" = {1e3 * compute:.1f} ms\n"
        f"all-reduce    2 x {_GPUS - 1}/{_GPUS} x 4 bytes x {num_parameters / 1e6:.2f} M"
        f" parameters = {moved / 1e6:.0f} MB a GPU"
    )
    estimate: dict[str, Any] = {"flops": flops, "compute_seconds": compute, "bytes": moved}
    for link, bandwidth in _LINKS.items():
        step = compute + moved / bandwidth
        images, efficiency = _GPUS * _BATCH_PER_GPU / step, compute / step
        print(
            f"{link:<12}  {moved / 1e6:.0f} MB / {bandwidth / 1e9:.0f} GB/s = {1e3 * moved / bandwidth:.1f} ms: a step"
            f" of {1e3 * step:.1f} ms, {images:.0f} images/s, {100 * efficiency:.0f} % of {_GPUS} times one GPU"
        )
        estimate[link] = {"images_per_second": images, "efficiency": efficiency}
    return estimate


def _seconds_at(point: Point, overrides: Sequence[str]) -> float:
    settings = (
        f"data.batch_size={point['batch_size']}",
        f"data.hr_crop_size={point['crop_size']}",
        f"generator.num_blocks={point['num_blocks']}",
    )
    clock = StepClock()
    Recipe(*overrides, *settings).fit(steps=3, callbacks=[clock])
    return statistics.median(clock.steps[1:])


def _step_of_processes(number: int, total_batch: int, overrides: Sequence[str]) -> dict[str, Any]:
    """What ``_worker`` prints of so many processes, started anew."""
    settings = (*overrides, f"data.batch_size={total_batch // number}")
    threads = str(max(torch.get_num_threads() // number, 1))
    done = run_python("-m", "benchmarks.scaling", "--worker", str(number), *settings, OMP_NUM_THREADS=threads)
    step: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return step


def _worker(arguments: Sequence[str]) -> None:
    """Train in so many processes, which Lightning starts with this same command; print a step's seconds and bytes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("processes", type=int)
    parser.add_argument("overrides", nargs="*")
    chosen = parser.parse_args(arguments)
    recipe, clock, last = Recipe(*chosen.overrides), StepClock(), LastStepsTraffic()
    recipe.fit(steps=5, callbacks=[clock, last], devices=chosen.processes)
    if recipe.model.global_rank == 0:
        print(json.dumps({"seconds": statistics.median(clock.steps[1:-1]), "sent": last.traffic.bytes}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2:])
    else:
        main()
