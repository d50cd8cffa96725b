"""Enlarge photos: weights + pictures in, pictures out. Settings: conf/predict.yaml."""

import sys
from collections.abc import Iterator
from pathlib import Path

import hydra
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
def main(cfg: DictConfig) -> None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    try:
        predict(
            ckpt=Path(cfg.ckpt),
            source=Path(cfg.input),
            output=Path(cfg.output),
            tile_size=cfg.tile_size,
            device=cfg.device,
        )
    except MissingMandatoryValue as error:
        sys.exit(
            f"Expected a value for {error.full_key}:"
            " python predict.py ckpt=<weights> input=<picture or folder> output=<folder>"
        )
    except (ValueError, OSError) as error:
        sys.exit(str(error))


def predict(*, ckpt: Path, source: Path, output: Path, tile_size: int | None, device: str) -> None:
    """Enlarge a picture or a folder of pictures.

    Args:
        ckpt: A ``.safetensors``, a ``.ckpt`` or a run's folder.
        source: A picture or a folder, searched recursively.
        output: Folder to write PNGs to, named after the inputs.
        tile_size: Side of the pieces to compute, in pixels; None for one piece.
        device: ``auto`` or a torch device.

    Raises:
        ValueError: If the weights or a picture cannot be read, or an input would be overwritten.
    """
    from srgan.images import read_image, write_image
    from srgan.inference import choose_device, upscale
    from srgan.weights import load_generator

    jobs = list(_plan(source, output))
    generator = load_generator(ckpt).to(choose_device(device))
    for path, target in jobs:
        sr = upscale(generator, read_image(path), tile_size=tile_size)
        write_image(target, sr)
        print(f"{path} → {target} ({sr.shape[-1]}x{sr.shape[-2]})")


def _plan(source: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Pairs of input and output file, checked so that no input and no output is written over."""
    from srgan.images import find_images

    inputs = [source] if source.is_file() else find_images(source)
    root = source.parent if source.is_file() else source
    taken: dict[Path, Path] = {}
    for path in inputs:
        target = (output / path.relative_to(root)).with_suffix(".png")
        if target.resolve() in {other.resolve() for other in inputs}:
            raise ValueError(f"Expected output= to be another folder than the input's: {target} would be overwritten.")
        if target in taken:
            raise ValueError(f"{taken[target]} and {path} would both be written to {target}. Rename one of them.")
        taken[target] = path
        yield path, target


if __name__ == "__main__":
    main()
