"""What the benchmarks share: interleaved rounds, the machine's own matrix-product rate, tables and JSON."""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).parents[2]
_RESULTS = ROOT / "benchmarks" / "results"
_MATRIX_SIZES = (1024, 1536, 2048, 3072)


@dataclass(frozen=True)
class Options:
    """The command line of a benchmark."""

    quick: bool
    out: Path


def parse(description: str | None, argv: Sequence[str] | None) -> Options:
    """Read the command line that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="tiny networks and two rounds: shows that it runs")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder for the JSON file (%(default)s)")
    return Options(**vars(parser.parse_args(argv)))


def timed(function: Callable[[], object]) -> Callable[[], float]:
    """The function as a measurement: its seconds."""

    def measure() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return measure


def interleaved(
    measurements: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Take measurements in turn, so that a slow spell of the machine meets all of them; warm-up rounds are not kept."""
    taken = [{name: measure() for name, measure in measurements.items()} for _ in range(warm_up + rounds)]
    return {name: [values[name] for values in taken[warm_up:]] for name in measurements}


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


class MatrixProduct:
    """The physical limit that figures are held against: a float32 matrix product of the size that is fastest here.

    Args:
        sizes: Sides of the square matrices to choose from.
    """

    def __init__(self, sizes: Sequence[int] = _MATRIX_SIZES) -> None:
        self._factors = {size: (torch.randn(size, size), torch.randn(size, size)) for size in sizes}
        seconds = {size: min(timed(partial(self._multiply, size))() for _ in range(3)) for size in sizes}
        self.size = max(sizes, key=lambda size: size**3 / seconds[size])

    def __call__(self) -> None:
        """One product."""
        self._multiply(self.size)

    def rate(self, seconds: Sequence[float]) -> float:
        """FLOP/s of the median of some products' seconds."""
        return 2 * self.size**3 / statistics.median(seconds)

    def _multiply(self, size: int) -> None:
        torch.mm(*self._factors[size])


def count_flops(function: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and matrix products, two for each multiplication with its addition."""
    with FlopCounterMode(display=False) as counter:
        function()
    return int(counter.get_total_flops())


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python of its own in the project's folder; its message is shown where it fails."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done


def peak_mb() -> float:
    """The largest resident memory that this process has had, in 10^6 bytes."""
    # Not getrusage: on Linux its maximum includes the parent process that this one was started from.
    return _status_mb("VmHWM")


def current_mb() -> float:
    """The resident memory of this process."""
    return _status_mb("VmRSS")


def _status_mb(key: str) -> float:
    if not Path("/proc/self/status").is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # the maximum, in bytes on macOS
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status[key].split()[0]) / 1000


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows with figures to three digits, the first column to the left, the others to the right."""
    cells = [
        list(header),
        *([f"{cell:#.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for first, *rest in cells:
        print("  ".join([first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True))]))


def save(name: str, figures: Mapping[str, Any], options: Options) -> None:
    """Write figures as JSON, with the machine they were taken on."""
    machine = {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "quick": options.quick,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{name}.json"
    file.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    print(f"\n{file}")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
