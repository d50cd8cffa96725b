"""Scores that see texture, for any weights: python -m benchmarks.realism srresnet srgan --root Set14.

On the sample's validation photos, or the originals below ``--root``; LR by MATLAB-convention bicubic, and, with
``--jpeg 50``, saved as a JPEG of that quality:

PSNR, SSIM    on Y, 4 pixels cropped off each border
kid           distance of the distributions of EfficientNet-lite0 features over all 96-pixel patches; 0: a photo's
detail        energy above the LR's Nyquist frequency over the original's; 1: as much fine detail as a photo has
EfficientNet  distance in features of a network that no training here has seen
colour        the largest channel's mean error in 255ths
LR            root mean square error of the result made small again, in 255ths
lattice 4, 2  power at periods of 4 and 2 pixels over that beside them; above about 1.3 dots can be seen

``kid`` is of all photos together; ``detail`` and ``lattice`` are geometric means, the others means over photos. The
picture beside the JSON file has each photo's most detailed window at 100 %.
"""

import argparse
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.shared.measure import Options, save, table
from benchmarks.shared.texture import (
    EfficientNetLite,
    colour_error,
    detail_energy,
    kernel_distance,
    lattice,
    lr_error,
)
from srgan import Upscaler
from srgan.data import SuperResolutionDataModule
from srgan.data.degradations.operators import jpegs
from srgan.evaluation.metrics import score
from srgan.pictures.resize import downscale, upscale
from srgan.pictures.rgb import to_float, to_uint8, write_image
from srgan.pictures.sheet import Panel, comparison_sheet, most_detailed_window

_TILE_SIZE = 256
_WINDOW, _MAX_ROWS = 192, 12
_GEOMETRIC = ("detail", "lattice 4", "lattice 2")


class Judge(Protocol):
    """A network that compares pictures by their features: an ``EfficientNetLite``."""

    def distance(self, sr: Tensor, hr: Tensor) -> float:
        """Of two pictures."""

    def textures(self, images: Tensor) -> Tensor:
        """Features of a picture's patches, shape (patches, C)."""


Figures = dict[str, dict[str, dict[str, float]]]  # by method, then photo (and "mean"), then measure


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="srresnet, srgan, a .safetensors, a .ckpt or a run's folder")
    parser.add_argument("--root", default="sample", help="folder of HR photos (%(default)s: those of the package)")
    parser.add_argument("--jpeg", type=int, help="quality that LR is saved with, 1 to 100 (as it is)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    options = parser.parse_args(argv)
    datamodule = SuperResolutionDataModule(root="sample", val_root=options.root)
    datamodule.setup("test")
    figures, sheet = measure(options.weights, datamodule.test_dataloader(), EfficientNetLite(), jpeg=options.jpeg)
    means = {name: by["mean"] for name, by in figures.items()}
    rows = [[name, *({**mean, "PSNR": f"{mean['PSNR']:.2f}"}.values())] for name, mean in means.items()]  # as papers do
    table(options.root, ["", *next(iter(means.values()))], rows)
    save(
        "realism",
        {"root": options.root, "jpeg": options.jpeg, "figures": figures},
        Options(quick=False, out=options.out),
    )
    write_image(options.out / "realism.png", sheet)


@torch.inference_mode()
def measure(
    weights: Sequence[str], batches: Iterable[Mapping[str, Any]], judge: Judge, *, jpeg: int | None = None
) -> tuple[Figures, Tensor]:
    """All measures of bicubic and of each weights' pictures, and a sheet of crops at 100 %."""
    upscalers = {name: Upscaler(name, precision="fp32", tile_size=_TILE_SIZE) for name in weights}
    figures: Figures = {name: {} for name in ("bicubic", *upscalers)}
    textures: dict[str, list[Tensor]] = {name: [] for name in ("original", *figures)}
    rows: list[list[Panel]] = []
    for batch in batches:
        lr, hr, photo = batch["lr"], batch["hr"], batch["name"][0]
        lr = lr if jpeg is None else jpegs([lr], [jpeg])[0]
        results = {"bicubic": to_float(to_uint8(upscale(lr, hr.shape[-1] // lr.shape[-1])))}
        results |= {name: _predicted(upscaler, lr) for name, upscaler in upscalers.items()}
        textures["original"].append(judge.textures(hr))
        for name, sr in results.items():
            figures[name][photo] = _figures(sr, hr, lr) | {"EfficientNet": judge.distance(sr, hr)}
            textures[name].append(judge.textures(sr))
        if len(rows) < _MAX_ROWS:
            rows.append(_crops({"original": hr, **results}))
    real = torch.cat(textures["original"])
    for name, by_photo in figures.items():
        by_photo["mean"] = _mean(list(by_photo.values())) | {"kid": kernel_distance(real, torch.cat(textures[name]))}
    return figures, comparison_sheet(rows)


def _predicted(upscaler: Upscaler, lr: Tensor) -> Tensor:
    """What ``srgan predict`` makes of a file: a picture without colours, above all, stays without."""
    pixels = to_uint8(lr)[0].permute(1, 2, 0).contiguous().numpy()
    return to_float(torch.from_numpy(upscaler(pixels)).permute(2, 0, 1)[None])


def _figures(sr: Tensor, hr: Tensor, lr: Tensor) -> dict[str, float]:
    scale = hr.shape[-1] // lr.shape[-1]
    scores = score(sr, hr, crop_border=scale)
    grid = lattice(sr)
    return {
        "PSNR": scores["psnr_y"],
        "SSIM": scores["ssim_y"],
        "detail": detail_energy(sr) / detail_energy(hr),
        "colour": colour_error(sr, hr),
        "LR": lr_error(downscale(sr, scale), lr),
        "lattice 4": grid[0],
        "lattice 2": grid[1],
    }


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    def mean(name: str) -> float:
        values = [each[name] for each in figures]
        return math.exp(statistics.fmean(map(math.log, values))) if name in _GEOMETRIC else statistics.fmean(values)

    return {name: mean(name) for name in figures[0]}


def _crops(pictures: Mapping[str, Tensor]) -> list[Panel]:
    top, left = most_detailed_window(pictures["original"], _WINDOW, step=_WINDOW // 4)
    window = (..., slice(top, top + _WINDOW), slice(left, left + _WINDOW))
    return [Panel(name, picture[window]) for name, picture in pictures.items()]


if __name__ == "__main__":
    main()
