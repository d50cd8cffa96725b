"""Discriminators on disk: a trained judge for adversarial training to start from, as safetensors, read safely."""

import json
from pathlib import Path

from torch import nn

from srgan.weights.checkpoint_file import WeightsError, misfits, read_checkpoint, require_finite, resolve_checkpoint
from srgan.weights.generator_file import shipped_file
from srgan.weights.safetensors_file import read_safetensors, write_safetensors

DISCRIMINATOR_CONFIG = "discriminator_config"  # the key of the architecture in the file's header
_PREFIX = "discriminator."
# Judges that come with the package, by the name of the generator whose kind they judge.
_SHIPPED = {"srgan": "srgan_x4_discriminator.safetensors"}


def save_discriminator(path: Path, discriminator: nn.Module, *, metadata: dict[str, str] | None = None) -> None:
    """Write a discriminator as safetensors, kernels in float16, whole or not at all.

    Args:
        path: The file.
        discriminator: One of ``srgan.networks``, on any device.
        metadata: More to store in the file's header, as text.
    """
    header = {**(metadata or {}), DISCRIMINATOR_CONFIG: json.dumps(_config(discriminator))}
    # Statistics and biases are small and few: what half precision saves is in the kernels.
    state = {name: value.half() if value.ndim > 1 else value for name, value in discriminator.state_dict().items()}
    write_safetensors(path, state, header=header)


def load_into_discriminator(discriminator: nn.Module, path: Path) -> None:
    """Fill a discriminator with the weights of a file of the same architecture.

    Args:
        discriminator: The network to fill.
        path: ``srgan`` for the judge that comes with the package, a ``.safetensors`` of ``save_discriminator``, a
            training checkpoint (``.ckpt``), or a run's folder.

    Raises:
        WeightsError: If the file is missing, damaged, of another architecture, or holds values that are not finite.
    """
    name = _SHIPPED.get(str(path))
    file = path if name is None else shipped_file(name)
    if file.suffix == ".safetensors":
        if not file.is_file():
            raise WeightsError(f"Expected a discriminator's weights, but {file} does not exist.")
        header, state = read_safetensors(file)
        described = header.get(DISCRIMINATOR_CONFIG, "no discriminator of this project")
    else:
        file = resolve_checkpoint(file)
        tensors = read_checkpoint(file)["state_dict"]
        state = {key.removeprefix(_PREFIX): value for key, value in tensors.items() if key.startswith(_PREFIX)}
        described = "a checkpoint's"
    own = discriminator.state_dict()
    differing = misfits(own, state)
    if differing:
        raise WeightsError(
            f"{file} holds another discriminator than these settings: {described}, where {_config(discriminator)} is"
            f" expected. {len(differing)} tensors differ, the first is {differing[0]!r}. Set discriminator= and"
            " discriminator.channels= to match, or leave discriminator_weights= out."
        )
    require_finite(state, source=file)
    discriminator.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()})


def _config(discriminator: nn.Module) -> dict[str, object]:
    return {"name": type(discriminator).__name__, "channels": getattr(discriminator, "channels", None)}
