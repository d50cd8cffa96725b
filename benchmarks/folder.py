"""A folder of 50 mixed pictures: what the pipeline gains, and what it costs: python -m benchmarks.folder.

With a stub for a network that takes no time, the whole of ``predict.py``'s loop is held against one thread that only
encodes the same results, and against all cores that do. With the shipped network, it is held against the network alone,
on pictures a third as wide.
Page faults are those of a picture, in a process that has enlarged some.
"""

import resource
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.shared.measure import ROOT, interleaved, median_ratio, parse, save, table, timed
from srgan import Upscaler
from srgan.inference.tiling import Canvas
from srgan.pictures import Picture, read_pictures, write_pictures
from srgan.prediction import Ledger, plan_jobs, run_jobs
from srgan.prediction.enlarger import Enlarger
from srgan.system.memory import keep_memory

PHOTOS = ROOT / "src" / "srgan" / "assets" / "photos"
_ENDINGS = (".png", ".jpg", ".webp", ".bmp", ".tif")
_SIDES = ((320, 240), (480, 360), (640, 480), (720, 540), (800, 640))  # 0.08 to 0.5 megapixels


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    options = parse(__doc__, argv)
    keep_memory()
    number, shrink = (6, 8) if options.quick else (50, 1)
    upscaler = Upscaler(device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "in", number=number, shrink=shrink)
        stub = measure_stub(upscaler, folder, rounds=2)
        # All that a picture costs grows with its pixels: a third of each side is enough for the ratio.
        small = folder / "small"
        make_pictures(small / "in", number=number, shrink=3 * shrink)
        network = measure_network(upscaler, small, rounds=1 if options.quick else 2)
        faults = page_faults(upscaler, sorted((small / "in").iterdir())[:10])
    gain = median_ratio(stub["one thread encodes"], stub["folder"])
    cost = median_ratio(network["folder"], network["network alone"])
    rows = [
        *([f"stub: {name}", statistics.median(seconds)] for name, seconds in stub.items()),
        *([f"shipped network: {name}", statistics.median(seconds)] for name, seconds in network.items()),
    ]
    table(f"A folder of {number} pictures", ["", "seconds"], rows)
    print(
        f"\n{gain:.2f} times one thread's encoding; {cost:.2f} times the network's time; {faults:.0f} faults a picture"
    )
    figures = {"stub_seconds": stub, "network_seconds": network, "ratio_to_one_encoder": gain}
    save("folder", {**figures, "ratio_to_network": cost, "page_faults_per_picture": faults}, options)


def make_pictures(folder: Path, *, number: int, shrink: int) -> None:
    """Sample photos in several sizes and formats."""
    folder.mkdir(parents=True)
    photos = sorted(PHOTOS.rglob("*.jpg")) or sorted(PHOTOS.rglob("*.png"))
    for index in range(number):
        width, height = (side // shrink for side in _SIDES[index % len(_SIDES)])
        photo = Image.open(photos[index % len(photos)]).convert("RGB").resize((width, height))
        photo.save(folder / f"{index:02}{_ENDINGS[index % len(_ENDINGS)]}")


def measure_stub(upscaler: Upscaler, folder: Path, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of the loop with a network that takes no time, and of encoding alone in one thread and in all."""
    results = {path: _upscaled(path) for path in sorted((folder / "in").iterdir())}
    large: dict[tuple[int, ...], Tensor] = {picture.size: picture.rgb for picture in results.values()}

    def hand_over(lr: Tensor, *, out: Canvas) -> Tensor:
        height, width = (side * upscaler.scale for side in lr.shape[-2:])
        return out((1, 3, height, width)).copy_(large[height, width])

    def encode(path: Path) -> None:
        write_pictures(folder / "alone" / f"{path.name}.png", [results[path]], format="png", quality=95)

    def encode_all(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(encode, results))

    with mock.patch.object(upscaler, "enlarge", hand_over):
        measurements: dict[str, Callable[[], float]] = {
            "folder": timed(lambda: enlarge_folder(upscaler, folder)),
            "one thread encodes": timed(lambda: encode_all(1)),
            "all cores encode": timed(lambda: encode_all(torch.get_num_threads())),
        }
        return interleaved(measurements, rounds=rounds)


def measure_network(upscaler: Upscaler, folder: Path, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of the loop with the real network, and of that alone on pictures that are in memory."""
    decoded = [read_pictures(path, max_pixels=10**8)[0] for path in sorted((folder / "in").iterdir())]

    def network() -> None:
        for picture in decoded:
            upscaler.enlarge(picture.rgb)

    measurements = {"folder": timed(lambda: enlarge_folder(upscaler, folder)), "network alone": timed(network)}
    return interleaved(measurements, rounds=rounds, warm_up=0)


def enlarge_folder(upscaler: Upscaler, folder: Path) -> None:
    """Everything that ``predict.py`` does between its start and its end."""
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    enlarger = Enlarger(upscaler, format="png", quality=95, max_pixels=10**8, scratch=folder)
    options: dict[str, Any] = {"look_ahead": enlarger.look_ahead, "num_bytes": enlarger.num_bytes}
    jobs, ledger = plan_jobs(folder / "in", output, format="png"), Ledger(output)
    with mock.patch("tqdm.tqdm.write"):
        summary = run_jobs(jobs, enlarger, ledger=ledger, made_with="", **options)
    if len(summary.written) != len(jobs):
        raise RuntimeError(str(summary))


def page_faults(upscaler: Upscaler, paths: Sequence[Path]) -> float:
    """Minor page faults of this process for each picture enlarged, but for the first."""
    enlarge = partial(upscaler.enlarge, read_pictures(paths[0], max_pixels=10**8)[0].rgb)
    enlarge()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in paths[1:]:
        enlarge()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / len(paths[1:])


def _upscaled(path: Path) -> Picture:
    """The picture, its bicubic enlargement in levels, laid out as the network's canvas is."""
    (picture,) = read_pictures(path, max_pixels=10**8)
    height, width = (4 * side for side in picture.size)
    large = np.asarray(Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    levels = torch.from_numpy(large.copy()).permute(2, 0, 1)[None]
    return Picture(levels, alpha=None, gray=False, bits=8, icc_profile=None, exif=None, format="PNG")


if __name__ == "__main__":
    main()
