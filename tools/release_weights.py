"""Makes a weight file to ship from a run.

    python -m tools.release_weights RUN srgan_x4.safetensors --data … --licence …

The file is float16 and carries, as text, all that the model card must say: architecture, steps, data, licence, commit
and its own scores on the sample's validation photos.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from srgan.data import SuperResolutionDataModule
from srgan.evaluation.evaluate import evaluate
from srgan.evaluation.table import score_table
from srgan.networks import AnyGenerator, Discriminator
from srgan.system.git import git_commit
from srgan.weights import (
    blend,
    load_generator,
    load_into_discriminator,
    read_checkpoint,
    read_metadata,
    resolve_checkpoint,
    save_discriminator,
    save_generator,
)


def write_release(
    weights: Path, output: Path, *, data: str, licence: str, blend_with: Path | None = None, strength: float = 1.0
) -> str:
    """Write a weight file and score it as it was written.

    Args:
        weights: A training checkpoint, a run's folder, or a snapshot of a run.
        output: The ``.safetensors`` to write.
        data: What the weights were trained on.
        licence: The licence of the weights.
        blend_with: Pixel-trained weights to mix in.
        strength: Share of the weights in the mixture.

    Returns:
        The score table of the written file on the sample's validation photos.

    Raises:
        WeightsError: If the weights cannot be read.
    """
    is_snapshot = weights.suffix == ".safetensors"
    file = weights if is_snapshot else resolve_checkpoint(weights)
    generator = load_generator(file)
    if blend_with is not None:
        generator = blend(load_generator(blend_with), generator, strength=strength)
    metadata = {
        "name": output.stem,
        "scale": str(generator.scale),
        "steps": read_metadata(file)["steps"] if is_snapshot else str(read_checkpoint(file)["global_step"]),
        "data": data,
        "blend": "none" if blend_with is None else f"{strength} of it, the rest {blend_with.name}",
        "licence": licence,
        "git_commit": git_commit() or "unknown",
    }
    save_generator(output, generator, metadata=metadata, half=True)
    rounded = load_generator(output)  # what users will have
    result = evaluate({output.stem: rounded}, _sample(rounded).test_dataloader())
    mean = {name: round(value, 4) for name, value in result.scores[output.stem]["mean"].items()}
    save_generator(output, rounded, metadata={**metadata, "scores": json.dumps(mean)}, half=True)
    return score_table(result.scores, result.convention)


def write_judge(checkpoint: Path, output: Path, *, channels: int, data: str, licence: str) -> None:
    """Write the discriminator of a run, for others to start from.

    Args:
        checkpoint: A training checkpoint of ``discriminator=vgg_style``, or a run's folder.
        output: The ``.safetensors`` to write.
        channels: Of its first layer.
        data: What it was trained on.
        licence: The licence of the weights.

    Raises:
        WeightsError: If the checkpoint cannot be read or holds another discriminator.
    """
    discriminator = Discriminator(channels=channels)
    load_into_discriminator(discriminator, checkpoint)
    metadata = {
        "name": output.stem,
        "steps": str(read_checkpoint(resolve_checkpoint(checkpoint))["global_step"]),
        "data": data,
        "licence": licence,
        "git_commit": git_commit() or "unknown",
    }
    save_discriminator(output, discriminator, metadata=metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.release_weights", description="Make a weight file to ship.")
    parser.add_argument("weights", type=Path, help="a .ckpt, a run's folder, or a snapshot of a run")
    parser.add_argument("output", type=Path, help="the .safetensors to write")
    parser.add_argument("--data", required=True, help="what the weights were trained on")
    parser.add_argument("--licence", required=True, help="the licence of the weights")
    parser.add_argument("--blend-with", type=Path, help="pixel-trained weights to mix in, such as srresnet")
    parser.add_argument("--strength", type=float, default=1.0, help="share of the weights in the mixture")
    parser.add_argument("--judge", type=int, metavar="CHANNELS", help="write the run's discriminator instead")
    options = vars(parser.parse_args(arguments))
    weights, output, channels = (options.pop(name) for name in ("weights", "output", "judge"))
    if channels is not None:
        write_judge(weights, output, channels=channels, data=options["data"], licence=options["licence"])
        return
    print(write_release(weights, output, **options))  # noqa: T201


def _sample(generator: AnyGenerator) -> SuperResolutionDataModule:
    datamodule = SuperResolutionDataModule(root="sample", val_root="sample", scale=generator.scale)
    datamodule.setup("test")
    return datamodule


if __name__ == "__main__":
    main()
