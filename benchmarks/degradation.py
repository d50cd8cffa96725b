"""Batches a second of degradation and augmentation, and the share of each operator: python -m benchmarks.degradation.

On this machine's CPU, with the settings of conf/data, on crops of the sample photos. Shares are of cumulative time in
Python's profiler.
"""

import cProfile
import pstats
import statistics
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from benchmarks.shared.measure import ROOT, interleaved, parse, save, table, timed
from srgan.data.batch_changes import BatchChanges

SIZES = ((96, 16), (256, 12))  # side of the HR crop and batch size: this project's, and the paper's of Real-ESRGAN
_SETTINGS = {
    "classical": ("data/degradation=classical",),
    "real": ("data/degradation=real",),
    "web": ("data/degradation=web",),
    "strong augmentation": ("data/augmentation=strong",),
}
OPERATORS = {  # as the profiler names them
    "blur": ("blur",),
    "drawing kernels": ("kernel", "random_sinc"),
    "resize": ("resize",),
    "Gaussian noise": ("_gaussian_noise",),
    "Poisson noise": ("_poisson_noise",),
    "JPEG": ("jpegs",),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    sizes, rounds = (((32, 2),), 2) if options.quick else (SIZES, 15)
    cases = [measure(crop_size, batch_size, rounds=rounds) for crop_size, batch_size in sizes]
    rows = [
        [f"{case['batch_size']} x {case['hr_crop_size']} px", *case["batches_per_second"].values()] for case in cases
    ]
    table("Batches a second", ["batch", *_SETTINGS], rows)
    shares = [[name, *(100 * case["shares"][name] for case in cases)] for name in cases[0]["shares"]]
    table("Share of each operator in data/degradation=real, %", ["operator", *(row[0] for row in rows)], shares)
    save("degradation", {"cases": cases}, options)


def measure(hr_crop_size: int, batch_size: int, *, rounds: int) -> dict[str, Any]:
    """Rates and shares for batches of one size."""
    work = {name: _work(hr_crop_size, batch_size, overrides) for name, overrides in _SETTINGS.items()}
    taken = interleaved({name: timed(each) for name, each in work.items()}, rounds=rounds)
    return {
        "hr_crop_size": hr_crop_size,
        "batch_size": batch_size,
        "batches_per_second": {name: 1 / statistics.median(seconds) for name, seconds in taken.items()},
        "shares": operator_shares(work["real"], rounds=rounds),
    }


def operator_shares(work: Callable[[], object], *, rounds: int) -> dict[str, float]:
    """Each operator's part of the whole time, and what none of them takes as ``the rest``."""
    with cProfile.Profile() as profile:
        for _ in range(rounds):
            work()
    stats = pstats.Stats(profile)
    seconds = {name: 0.0 for name in OPERATORS}
    for (file, _, function), (_, _, _, cumulative, callers) in stats.stats.items():  # type: ignore[attr-defined]
        for name, functions in OPERATORS.items():
            if function in functions and "srgan" in file:
                inside = sum(each[3] for (_, _, caller), each in callers.items() if caller in functions)
                seconds[name] += cumulative - inside  # which the caller's time has already
    whole: float = stats.total_tt  # type: ignore[attr-defined]
    return {**{name: each / whole for name, each in seconds.items()}, "the rest": 1 - sum(seconds.values()) / whole}


def _work(hr_crop_size: int, batch_size: int, overrides: Sequence[str]) -> Callable[[], object]:
    """The changing of one batch, by other draws each time."""
    sizes = (f"data.hr_crop_size={hr_crop_size}", f"data.batch_size={batch_size}", "data.num_workers=0")
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        settings = compose("train", overrides=["data=sample", "output_dir=.", *sizes, *overrides]).data
    datamodule = instantiate(settings, _convert_="all")
    datamodule.setup("fit")
    batch = next(iter(datamodule.train_dataloader()))
    parts = [instantiate(settings[part], _convert_="all") for part in ("degradation", "augmentation")]
    change, number = BatchChanges(*parts, scale=settings.scale, seed=0), count()
    return lambda: change(batch, first_sample=batch_size * next(number))


if __name__ == "__main__":
    main()
