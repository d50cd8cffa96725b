"""Megapixels out a second and peak memory of enlarging, against plain eager PyTorch: python -m benchmarks.inference.

The project runs as predict.py does: weights from a file, ``upscale``, in tiles of 256. The reference is the textbook's
generator with the same weights, eager, NCHW, float32, in one piece, or where that would not fit into memory in the same
tiles. Memory is the peak of a process of its own, in which larger pictures are also timed, once each.

``--huge`` enlarges a photo of 6000x4000 pixels in tiles of 128 onto a canvas on disk instead, which takes half an hour.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared.measure import (
    MatrixProduct,
    count_flops,
    interleaved,
    median_ratio,
    parse,
    peak_mb,
    run_python,
    save,
    table,
    timed,
)
from benchmarks.shared.textbook import TextbookGenerator, copy_weights
from srgan import Upscaler
from srgan.inference import for_inference, new_canvas, upscale
from srgan.networks import Generator
from srgan.weights import load_generator, save_generator

TOLERANCE = 1e-4
SMALL, MEDIUM, LARGE = (128, 128), (512, 512), (512, 1024)  # LARGE: the reference in tiles too
_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "default": {"norm": "none", "global_skip": "bicubic"},
    "paper": {"norm": "batch", "global_skip": "none"},
}
_PLAIN_TILES_ABOVE = 512**2  # pixels of lr: one piece of a larger picture takes more than 10 GB
TILE_SIZE = 256  # the same for both
HUGE, HUGE_TILE_SIZE = (4000, 6000), 128

Enlarge = Callable[[Tensor], Tensor]


def main(argv: Sequence[str] | None = None) -> None:
    """Check, measure, print and save."""
    options = parse(__doc__, argv)
    small, medium, large = ((16, 16), MEDIUM, (32, 32)) if options.quick else (SMALL, MEDIUM, LARGE)
    size: dict[str, Any] = {"num_blocks": 1, "channels": 4} if options.quick else {}
    product = MatrixProduct((256,) if options.quick else (1024, 2048, 3072))
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for name, architecture in _ARCHITECTURES.items():
            weights = Path(folder) / f"{name}.safetensors"
            save_generator(weights, calibrated(Generator(**architecture, **size)))
            case = _compare(weights, small, product, rounds=2 if options.quick else 7)
            cases.append({"network": name, **case, **_alone(weights, small)})
            if name == "default":
                for shape in [large] if options.quick else [medium, large]:
                    cases.append({"network": name, **_compare_alone(weights, shape, product)})
    rows = [
        [
            f"{case['network']} {case['lr'][1]}x{case['lr'][0]}",
            *(case[key] for key in ("plain_seconds", "seconds", "ratio", "megapixels_per_second")),
            *(case[key] for key in ("percent_of_matrix_rate", "plain_peak_mb", "peak_mb", "largest_difference")),
        ]
        for case in cases
    ]
    header = ["network, lr", "plain s", "project s", "ratio", "Mpix out/s", "% of matrix rate"]
    table("Inference, x4", [*header, "plain peak MB", "peak MB", "difference"], rows)
    save("inference", {"tile_size": TILE_SIZE, "cases": cases}, options)
    if (largest := max(case["largest_difference"] for case in cases)) > TOLERANCE:
        raise SystemExit(f"Outputs differ by {largest:.1e}, more than {TOLERANCE:.0e}.")


def huge(argv: Sequence[str]) -> None:
    """Enlarge a photo that is larger than memory when enlarged; print and save seconds and this process' peak."""
    options = parse(__doc__, argv)
    height, width = (160, 200) if options.quick else HUGE
    upscaler = Upscaler(device="cpu", tile_size=HUGE_TILE_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        canvas = new_canvas(4 * height, 4 * width, file=Path(folder) / "canvas")
        lr = _picture((height, width))
        seconds = timed(lambda: upscaler.enlarge(lr, out=canvas))()
    row = [f"{width}x{height}", seconds, 16 * height * width / 1e6 / seconds, peak_mb()]
    table(f"Inference, x4, tiles of {HUGE_TILE_SIZE}", ["lr", "s", "Mpix out/s", "peak MB"], [row])
    figures = dict(zip(("lr", "seconds", "megapixels_per_second", "peak_mb"), row, strict=True))
    save("inference_huge", {"tile_size": HUGE_TILE_SIZE, **figures}, options)


def calibrated(generator: Generator) -> Generator:
    """Give an untrained generator BatchNorm statistics of its own and an output that is neither black nor white."""
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean over what it sees
    with torch.no_grad():
        lr = torch.rand(4, 3, 32, 32)
        generator.train()(lr)
        weight, bias = list(generator.parameters())[-2:]  # of the last convolution
        weight.mul_(0.1 / generator.eval()(lr).std())
        bias.fill_(0.0 if generator.config["global_skip"] == "bicubic" else 0.5)
    return generator


def project_and_plain(weights: Path) -> tuple[Enlarge, Enlarge, TextbookGenerator]:
    """Both ways to enlarge with the same weights, and the reference's network."""
    generator = load_generator(weights)
    plain = TextbookGenerator(**generator.config).eval()
    copy_weights(generator, plain)
    margin = generator.receptive_radius
    generator = for_inference(generator)

    @torch.inference_mode()
    def plain_upscale(lr: Tensor) -> Tensor:
        if lr.shape[-2] * lr.shape[-1] <= _PLAIN_TILES_ABOVE:
            whole: Tensor = plain(lr).clamp(0, 1)
            return whole
        return _tiled(plain, lr, margin)

    return lambda lr: upscale(generator, lr, tile_size=TILE_SIZE), plain_upscale, plain


def _tiled(plain: TextbookGenerator, lr: Tensor, margin: int) -> Tensor:
    scale, (height, width) = plain.scale, lr.shape[-2:]
    sr = torch.empty(1, 3, scale * height, scale * width)
    for top in range(0, height, TILE_SIZE):
        for left in range(0, width, TILE_SIZE):
            y, x = max(top - margin, 0), max(left - margin, 0)
            tile = plain(lr[..., y : top + TILE_SIZE + margin, x : left + TILE_SIZE + margin]).clamp(0, 1)
            target = sr[..., scale * top : scale * (top + TILE_SIZE), scale * left : scale * (left + TILE_SIZE)]
            y, x = scale * (top - y), scale * (left - x)
            target.copy_(tile[..., y : y + target.shape[-2], x : x + target.shape[-1]])
    return sr


def _compare(weights: Path, shape: tuple[int, int], product: MatrixProduct, *, rounds: int) -> dict[str, Any]:
    """Interleaved in this process."""
    project, plain, network = project_and_plain(weights)
    lr = _picture(shape)
    difference = float((project(lr) - plain(lr)).abs().max())
    measurements = {"project": timed(lambda: project(lr)), "plain": timed(lambda: plain(lr)), "matrix": timed(product)}
    return _figures(interleaved(measurements, rounds=rounds), network, lr, product, difference=difference)


def _alone(weights: Path, shape: tuple[int, int]) -> dict[str, float]:
    """Peaks of memory, each in a process of its own."""
    return {
        f"{prefix}peak_mb": _process(weights, shape, which)["peak_mb"]
        for which, prefix in (("project", ""), ("plain", "plain_"))
    }


def _compare_alone(weights: Path, shape: tuple[int, int], product: MatrixProduct) -> dict[str, Any]:
    """Time and memory of a picture that takes long, each in a process of its own; equality on a part."""
    project, plain, network = project_and_plain(weights)
    part = _picture((min(shape[0], TILE_SIZE + 40), min(shape[1], 96)))
    difference = float((project(part) - plain(part)).abs().max())
    alone = {which: _process(weights, shape, which) for which in ("project", "plain")}
    seconds = {which: [result["seconds"]] for which, result in alone.items()}
    seconds["matrix"] = [min(timed(product)() for _ in range(3))]
    figures = _figures(seconds, network, _picture(shape), product, difference=difference)
    return {**figures, "peak_mb": alone["project"]["peak_mb"], "plain_peak_mb": alone["plain"]["peak_mb"]}


def _figures(
    seconds: dict[str, list[float]],
    network: TextbookGenerator,
    lr: Tensor,
    product: MatrixProduct,
    *,
    difference: float,
) -> dict[str, Any]:
    flops = count_flops(lambda: TextbookGenerator.forward(network.to("meta"), lr.to("meta")))
    median = statistics.median(seconds["project"])
    return {
        "lr": list(lr.shape[-2:]),
        "seconds": median,
        "plain_seconds": statistics.median(seconds["plain"]),
        "ratio": median_ratio(seconds["plain"], seconds["project"]),
        "megapixels_per_second": lr.shape[-2] * lr.shape[-1] * network.scale**2 / 1e6 / median,
        "nominal_gflop": flops / 1e9,
        "percent_of_matrix_rate": 100 * flops / median / product.rate(seconds["matrix"]),
        "largest_difference": difference,
    }


def _picture(shape: tuple[int, int]) -> Tensor:
    return torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0))


def _process(weights: Path, shape: tuple[int, int], which: str) -> dict[str, float]:
    arguments = [str(weights), *map(str, shape), which]
    result: dict[str, float] = json.loads(run_python("-m", "benchmarks.inference", "--worker", *arguments).stdout)
    return result


def _worker(arguments: Sequence[str]) -> None:
    """Enlarge once in this process and print seconds and the peak of resident memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("height", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("which", choices=("project", "plain"))
    chosen = parser.parse_args(arguments)
    project, plain, _ = project_and_plain(chosen.weights)
    lr = _picture((chosen.height, chosen.width))
    start = time.perf_counter()
    (project if chosen.which == "project" else plain)(lr)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2:])
    elif sys.argv[1:2] == ["--huge"]:
        huge(sys.argv[2:])
    else:
        main()
