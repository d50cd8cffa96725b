"""Makes a weight file to ship from a run.

    python -m tools.release_weights RUN srgan_x4.safetensors --data … --licence …

The file is float16 and carries, as text, all that the model card must say: architecture, steps, data, licence, commit
and its own scores on the sample's validation photos.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from srgan.data import SuperResolutionDataModule
from srgan.evaluation.evaluate import evaluate
from srgan.evaluation.table import score_table
from srgan.networks import AnyGenerator, Discriminator
from srgan.system.git import git_commit
from srgan.weights import (
    load_generator,
    load_into_discriminator,
    read_checkpoint,
    read_metadata,
    resolve_checkpoint,
    save_discriminator,
    save_generator,
)


def write_release(weights: Path, output: Path, *, data: str, licence: str, shares: Mapping[Path, float]) -> str:
    """Write a weight file and score it as it was written.

    Args:
        weights: A training checkpoint, a run's folder, or its ``generator.safetensors`` or a snapshot.
        output: The ``.safetensors`` to write.
        data: What the weights were trained on.
        licence: The licence of the weights.
        shares: Weights of the same architecture to mix in, and how much of each; the first have the rest. A mean of
            several runs' has less of what is chance in each, and a share below 0 strengthens what the others learnt
            beyond these (Wang et al. 2018, arXiv:1809.00219, §3.4).

    Returns:
        The score table of the written file on the sample's validation photos.

    Raises:
        WeightsError: If the weights cannot be read.
    """
    is_snapshot = weights.suffix == ".safetensors"
    file = weights if is_snapshot else resolve_checkpoint(weights)
    generator = _mixed(load_generator(file), {load_generator(other): share for other, share in shares.items()})
    metadata = {
        "name": output.stem,
        "scale": str(generator.scale),
        "steps": read_metadata(file)["steps"] if is_snapshot else str(read_checkpoint(file)["global_step"]),
        "data": data,
        "mixed_with": ", ".join(f"{share} of {other.stem}" for other, share in shares.items()),
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
    parser.add_argument(
        "--mix", action="append", default=[], metavar="WEIGHTS=SHARE", help="weights to mix in, and how much of them"
    )
    parser.add_argument("--judge", type=int, metavar="CHANNELS", help="write the discriminator (vgg_style) instead")
    options = vars(parser.parse_args(arguments))
    weights, output, channels, mix = (options.pop(name) for name in ("weights", "output", "judge", "mix"))
    if channels is not None:
        write_judge(weights, output, channels=channels, **options)
        return
    shares = {Path(other): float(share) for other, _, share in (each.rpartition("=") for each in mix)}
    print(write_release(weights, output, shares=shares, **options))  # noqa: T201


def _mixed(first: AnyGenerator, shares: Mapping[AnyGenerator, float]) -> AnyGenerator:
    parts = {first: 1 - sum(shares.values()), **shares}
    first.load_state_dict(
        {name: sum(share * part.state_dict()[name] for part, share in parts.items()) for name in first.state_dict()}
    )
    return first


def _sample(generator: AnyGenerator) -> SuperResolutionDataModule:
    datamodule = SuperResolutionDataModule(root="sample", val_root="sample", scale=generator.scale)
    datamodule.setup("test")
    return datamodule


if __name__ == "__main__":
    main()
