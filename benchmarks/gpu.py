"""What a card makes of training and enlarging: python -m benchmarks.gpu, a part of benchmarks/gpu.sh.

The paper's two-phase step in bf16 against the textbook's step on the same card, both against the card's own rate of
bf16 matrix products; and megapixels a second of enlarging an 8-bit picture in fp16 and fp32. ``--device cpu --quick``
runs all of it in a small form, to find mistakes where there is no card: its figures mean nothing.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback

from benchmarks.shared.measure import Options, save, table
from benchmarks.shared.recipe import TINY, Recipe
from benchmarks.train_step import nominal_flops
from srgan import Upscaler
from srgan.training.callbacks.throughput import peak_memory_gb

_WARM_UP = 10  # steps in which cuDNN chooses its algorithms


class Span(Callback):
    """Seconds of a number of steps together, from the end of those to warm up to the end of the last.

    Args:
        device: Waited for at both ends alone, so that steps overlap as they do for users.
        warm_up: Steps before.
    """

    def __init__(self, device: torch.device, *, warm_up: int) -> None:
        self._device, self._warm_up = device, warm_up
        self._ended, self._start, self.seconds = 0, 0.0, math.nan

    def on_train_batch_end(self, *_: Any) -> None:
        """Start the clock after the last step to warm up."""
        self._ended += 1
        if self._ended == self._warm_up:
            self._start = now(self._device)

    def on_train_end(self, *_: Any) -> None:
        """Stop it."""
        self.seconds = now(self._device) - self._start


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="where to compute (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny networks and few steps: shows that it runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the JSON file")
    chosen = parser.parse_args(argv)
    device = torch.device(chosen.device)
    rate = matrix_rate(device, size=256 if chosen.quick else 8192)
    training = train(device, rate=rate, steps=2 if chosen.quick else 200, quick=chosen.quick)
    enlarging = enlarge(device, side=24 if chosen.quick else 1024)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    figures = {"device": name, "matrix_rate_tflops": rate / 1e12, "training": training, "enlarging": enlarging}
    save("gpu", figures, Options(quick=chosen.quick, out=chosen.out))


def now(device: torch.device) -> float:
    """The clock, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds_each(function: Callable[[], object], device: torch.device, *, times: int, warm_up: int = 2) -> float:
    """Mean seconds of repetitions that are not waited for one by one."""
    for _ in range(warm_up):
        function()
    start = now(device)
    for _ in range(times):
        function()
    return (now(device) - start) / times


def matrix_rate(device: torch.device, *, size: int) -> float:
    """FLOP/s of a product of two square bf16 matrices."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds_each(lambda: torch.mm(left, right), device, times=20)


def train(device: torch.device, *, rate: float, steps: int, quick: bool) -> dict[str, float]:
    """Images a second of the paper's two-phase step and the textbook's, in bf16, and the project's peak of memory."""
    place = ("trainer.accelerator=cpu" if device.type == "cpu" else "trainer.accelerator=gpu", "trainer.devices=1")
    recipe = Recipe(*place, *(TINY if quick else ()), "trainer.precision=bf16-mixed")
    textbook, span = recipe.textbook(), Span(device, warm_up=1 if quick else _WARM_UP)
    batch = next(iter(recipe.datamodule.train_dataloader()))
    flops = sum(nominal_flops(textbook, batch["lr"].shape, batch["hr"].shape).values())
    recipe.fit(steps=steps + (1 if quick else _WARM_UP), callbacks=[span])
    peak = peak_memory_gb(device)
    textbook, (lr, hr) = textbook.to(device), (batch[name].to(device) for name in ("lr", "hr"))

    def textbook_step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            textbook.step(lr, hr)

    seconds = {
        "project": span.seconds / steps,
        "textbook": seconds_each(textbook_step, device, times=steps, warm_up=1 if quick else _WARM_UP),
    }
    rows = [[name, s, len(lr) / s, 100 * flops / s / rate] for name, s in seconds.items()]
    table("Training step, bf16", ["", "seconds", "images/s", "% of the bf16 rate"], rows)
    ratio = seconds["textbook"] / seconds["project"]
    print(f"{ratio:.2f}x the textbook's images a second, peak memory {peak:.2f} GB")
    return {
        "images_per_second": len(lr) / seconds["project"],
        "textbook_images_per_second": len(lr) / seconds["textbook"],
        "ratio_to_textbook": ratio,
        "percent_of_matrix_rate": 100 * flops / seconds["project"] / rate,
        "peak_memory_gb": peak,
    }


def enlarge(device: torch.device, *, side: int) -> dict[str, float]:
    """Megapixels out a second in fp16 and fp32 with the shipped weights, of a square 8-bit picture in tiles."""
    picture = np.random.default_rng(0).integers(256, size=(side, side, 3), dtype=np.uint8)
    figures = {}
    for precision in ("fp16", "fp32"):
        upscaler = Upscaler("srresnet", device=device.type, precision=precision)
        seconds = seconds_each(partial(upscaler, picture), device, times=3, warm_up=1)
        figures[precision] = (side * upscaler.scale) ** 2 / 1e6 / seconds
    table(f"Enlarging {side}x{side}", ["precision", "Mpix out/s"], [[name, value] for name, value in figures.items()])
    return figures


if __name__ == "__main__":
    main()
