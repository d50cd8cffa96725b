"""Start-up times of predict.py and train.py: python -m benchmarks.startup.

Imports are summed up from Python's own clock (``-X importtime``) over a whole run of predict.py on a small picture, and
held against those of ``import torch, hydra``. Wall times are of whole processes, to the first pixel written and to the
end of the first training step. All in turn.
"""

import os
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback

from benchmarks.shared.measure import ROOT, interleaved, median_ratio, parse, run_python, save, table, timed
from srgan.networks import Generator
from srgan.pictures.rgb import write_image
from srgan.weights import save_generator

BASELINE = ("-c", "import torch, hydra")
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
_FIRST_STEP = "benchmark: first step at"
_TRAIN = ("experiment=quickstart", "loss.content.weights=random", "logger=csv", "~callbacks.progress")
_TRAIN_TINY = ("generator.num_blocks=1", "generator.channels=4", "discriminator.channels=2", "data.batch_size=2")
_NUM_PACKAGES = 10


class FirstStep(Callback):
    """Say when the first step is done, and end the process there."""

    def on_train_batch_end(self, *_: Any) -> None:
        """Print the time of day and leave."""
        print(f"{_FIRST_STEP} {time.time()}", flush=True)
        os._exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    with tempfile.TemporaryDirectory() as folder:
        predict = _predict_command(Path(folder), {"num_blocks": 1, "channels": 4} if options.quick else {})
        train = (
            "train.py",
            *_TRAIN,
            *(_TRAIN_TINY if options.quick else ()),
            "+callbacks.first_step._target_=benchmarks.startup.FirstStep",
            f"hydra.run.dir={folder}/${{now:%H%M%S%f}}",  # a folder for each run
        )
        measurements: dict[str, Callable[[], float]] = {
            "import torch": timed(lambda: run_python("-c", "import torch")),
            "import torch, hydra": timed(lambda: run_python(*BASELINE)),
            "predict.py to the first pixel": timed(lambda: run_python(*predict)),
            "train.py to the first step": lambda: _seconds_to_first_step(train),
            "imports of torch, hydra": lambda: sum(import_seconds(*BASELINE).values()),
            "imports of predict.py": lambda: sum(import_seconds(*predict).values()),
        }
        seconds = interleaved(measurements, rounds=1 if options.quick else 3, warm_up=0 if options.quick else 1)
        packages = {"predict.py": import_seconds(*predict), "torch, hydra": import_seconds(*BASELINE)}
        packages["train.py"] = import_seconds(*train)
    baseline = {
        name: seconds["imports of torch, hydra" if "imports" in name else "import torch, hydra"] for name in seconds
    }
    ratios = {name: median_ratio(values, baseline[name]) for name, values in seconds.items()}
    rows = [[name, statistics.median(values), ratios[name]] for name, values in seconds.items()]
    table("Start-up", ["", "seconds", "ratio to torch, hydra"], rows)
    names = ("predict.py to the first pixel", "train.py to the first step")
    print(f"\n{', '.join(f'{name}: {ratios[name]:.2f}x' for name in names)} the time of import torch, hydra")
    for name, taken in packages.items():
        top = sorted(taken.items(), key=lambda item: -item[1])[:_NUM_PACKAGES]
        table(f"Imports of {name}, by package", ["", "seconds"], [[package, value] for package, value in top])
    save("startup", {"ratios": ratios, "seconds": seconds, "seconds_by_package": packages}, options)


def import_seconds(*arguments: str) -> dict[str, float]:
    """Seconds that a Python program spends importing, by top-level package."""
    seconds: dict[str, float] = defaultdict(float)
    for match in _IMPORT_TIME.finditer(run_python("-X", "importtime", *arguments).stderr):
        seconds[match[2].partition(".")[0]] += int(match[1]) / 1e6
    return seconds


def _seconds_to_first_step(command: Sequence[str]) -> float:
    start = time.time()
    output = run_python(*command).stdout
    line = next(line for line in output.splitlines() if line.startswith(_FIRST_STEP))
    return float(line.removeprefix(_FIRST_STEP)) - start


def _predict_command(folder: Path, size: dict[str, int]) -> tuple[str, ...]:
    weights, picture = folder / "generator.safetensors", folder / "picture.png"
    save_generator(weights, Generator(norm="none", global_skip="bicubic", **size))
    write_image(picture, torch.rand(1, 3, 32, 32))
    output = f"{folder}/${{now:%H%M%S%f}}"  # a folder for each run, or the second finds the work done
    return (str(ROOT / "predict.py"), f"ckpt={weights}", f"input={picture}", f"output={output}")


if __name__ == "__main__":
    main()
