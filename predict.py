"""Enlarge photos: weights + pictures in, pictures out. Settings: conf/predict.yaml."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
def main(cfg: DictConfig) -> None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    try:
        failures = predict(
            ckpt=Path(str(cfg.ckpt)),
            blend_with=Path(str(cfg.blend_with)),
            strength=cfg.strength,
            source=Path(str(cfg.input)),
            output=Path(str(cfg.output)),
            tile_size=cfg.tile_size,
            device=cfg.device,
        )
    except MissingMandatoryValue as error:
        sys.exit(f"Expected a value for {error.full_key}: python predict.py input=<picture or folder> output=<folder>")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    if failures:
        sys.exit("\n".join([f"{len(failures)} pictures could not be enlarged:", *failures]))


def predict(
    *,
    ckpt: Path,
    source: Path,
    output: Path,
    blend_with: Path = Path("srresnet"),
    strength: float = 1.0,
    tile_size: int | None,
    device: str,
) -> list[str]:
    """Enlarge a picture or a folder of pictures.

    Args:
        ckpt: ``srgan`` or ``srresnet``, a ``.safetensors``, a ``.ckpt`` or a run's folder.
        source: A picture or a folder, searched recursively.
        output: Folder to write PNGs to, named after the inputs.
        blend_with: Weights of the same architecture that a strength below 1 falls back to.
        strength: Share of ``ckpt`` in the weights, in [0, 1].
        tile_size: Side of the pieces to compute, in pixels; None for one piece.
        device: ``auto`` or a torch device.

    Returns:
        A message for each picture that could not be read; the others are done.

    Raises:
        ValueError: If the weights cannot be read, or a file would be overwritten by another's result.
    """
    from srgan.images import ImageReadError, read_image, write_image
    from srgan.inference import choose_device, for_inference, upscale
    from srgan.weights import blend, load_generator

    jobs = _plan(source, output)
    generator = load_generator(ckpt)
    if strength != 1:
        generator = blend(load_generator(blend_with), generator, strength=strength)
    generator = for_inference(generator).to(choose_device(device))
    failures = []
    for path, target in jobs.items():
        try:
            lr = read_image(path)
        except ImageReadError as error:
            failures.append(str(error))
            continue
        sr = upscale(generator, lr, tile_size=tile_size)
        write_image(target, sr)
        print(f"{path} → {target} ({sr.shape[-1]}x{sr.shape[-2]})")
    return failures


def _plan(source: Path, output: Path) -> dict[Path, Path]:
    """The output of each input, checked so that no input is written over and no two share an output."""
    from srgan.images import find_images

    inputs = [source] if source.is_file() else find_images(source)
    root = source.parent if source.is_file() else source
    resolved = {path.resolve() for path in inputs}
    inputs_by_target: dict[Path, Path] = {}
    for path in inputs:
        target = (output / path.relative_to(root)).with_suffix(".png")
        if target.resolve() in resolved:
            raise ValueError(f"Expected output= to be another folder than the input's: {target} would be overwritten.")
        if target in inputs_by_target:
            other = inputs_by_target[target]
            raise ValueError(f"{other} and {path} would both be written to {target}. Rename one of them.")
        inputs_by_target[target] = path
    return {path: target for target, path in inputs_by_target.items()}


if __name__ == "__main__":
    main()
