"""Generators on disk: written as safetensors with their architecture; read from these, checkpoints and others' files.

Reading executes nothing: tensors and plain values only, and the network is built from plain numbers.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from srgan.networks import AnyGenerator, Generator
from srgan.weights.checkpoint_file import (
    GENERATOR_CONFIG,
    WeightsError,
    misfits,
    read_plain,
    require_checkpoint,
    require_finite,
)
from srgan.weights.foreign_file import load_foreign
from srgan.weights.hub import downloaded, is_on_hub
from srgan.weights.safetensors_file import read_safetensors, write_safetensors

# Prefixes of the generator's tensors in a training checkpoint; the moving average comes first.
GENERATOR_PREFIXES = ("average.module.", "generator.")
# The included weights: trained on pixels alone, and adversarially from there.
SHIPPED = {
    "srresnet": "srresnet_x4.safetensors",
    "srgan": "srgan_x4.safetensors",
    "web": "web_x4.safetensors",
}
TRAINED_ON_FROM = {"srgan": "srresnet", "web": "srresnet"}  # shipped weights, and those that they can be blended with
_NOT_STATED = {"architecture": "not stated"}  # in a file that is not from here
_SMALL = 10**7  # weights of a network that is built without further checks


def save_generator(
    path: Path, generator: AnyGenerator, *, metadata: dict[str, str] | None = None, half: bool = False
) -> None:
    """Write a generator as safetensors, whole or not at all.

    The tensors have the architecture's own names, so that other programs that know it load the file.

    Args:
        path: The file.
        generator: The network, on any device.
        metadata: More to store in the file's header, as text.
        half: Write float16, which halves the file and changes results by less than rounding to 8 bits does.
    """
    header = {**(metadata or {}), GENERATOR_CONFIG: json.dumps(generator.config)}
    state = generator.native_state()
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    write_safetensors(path, state, header=header)


def load_generator(path: Path) -> AnyGenerator:
    """Build the generator that a file holds.

    Args:
        path: A ``generator.safetensors``, a training checkpoint (``.ckpt``), or a run's folder, in which
            ``generator.safetensors`` or else ``checkpoints/last.ckpt`` is used; ``srresnet`` or ``srgan`` for the
            included weights; ``hf://user/name`` for Hugging Face's Hub; or the ``.pth``, ``.pt`` or ``.safetensors`` of
            another project, as far as spandrel knows its architecture.

    Returns:
        The generator in evaluation mode, on the CPU, in float32.

    Raises:
        WeightsError: If the file is missing, is damaged, holds something else, or holds weights that are not finite.
    """
    file = resolve(path)
    config, state = _from_safetensors(file) if file.suffix == ".safetensors" else _from_pickle(file)
    if _is_foreign(config):
        return load_foreign(state, source=file)
    _require_plausible(config, state, source=file)
    try:
        generator = Generator(**config)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{file} names an architecture that this version does not have: {config} ({error})."
        ) from error
    state.pop("skip.kernels", None)  # a constant, which files for spandrel show
    fill_generator(generator, state, source=file)
    return generator.eval()


def _is_foreign(config: Any) -> bool:
    """Whether an architecture is left to spandrel: files of ours name another one than ``Generator`` by this key."""
    return isinstance(config, dict) and "architecture" in config


def _require_plausible(config: Any, state: Mapping[str, Tensor], *, source: Path) -> None:
    """Compare sizes before memory is used: a small file can claim any size. The meta device would take 0.6 s."""
    try:
        claimed = 2 * 9 * config.get("num_blocks", 1) * config.get("channels", 1) ** 2  # weights of the blocks
        too_large = claimed > max(_SMALL, sum(value.numel() for value in state.values()))
    except (TypeError, AttributeError):
        return  # the constructor, or the comparison of all tensors, reports what is wrong
    if too_large:
        raise WeightsError(
            f"{source} does not fit the architecture it names, {config}: its {len(state)} tensors are far too small."
        )


def read_metadata(path: Path) -> dict[str, str]:
    """What a weight file says about itself, such as its data and licence; empty for a training checkpoint.

    Raises:
        WeightsError: If the file is missing or damaged.
    """
    file = resolve(path)
    header = read_safetensors(file, with_tensors=False)[0] if file.suffix == ".safetensors" else {}
    return {name: text for name, text in header.items() if name != GENERATOR_CONFIG}


def stated_licence(path: Path) -> str | None:
    """What the header of a weight file says of its licence; None if nothing."""
    metadata = {name.lower(): text for name, text in read_metadata(path).items()}
    names = ("licence", "license", "modelspec.license")
    return next((metadata[name] for name in names if metadata.get(name)), None)


def fill_generator(generator: Generator, state: dict[str, Tensor], *, source: Path) -> None:
    """Load a state dict strictly; a mismatch, or values that are not finite, raises one readable WeightsError."""
    own = generator.state_dict()
    if wrong := misfits(own, state):
        raise WeightsError(
            f"{source} does not fit the architecture it names, {generator.config}: {len(wrong)} tensors are missing,"
            f" unknown or of another shape, the first is {wrong[0]!r}."
        )
    require_finite(state, source=source)
    generator.load_state_dict({name: value.to(own[name].dtype) for name, value in state.items()})


def resolve(path: Path) -> Path:
    """The weight file that a path means: by name, by its address on the Hub, itself, or in a run's folder."""
    if (name := SHIPPED.get(str(path))) is not None:
        return shipped_file(name)
    if is_on_hub(path):
        return downloaded(path)
    candidates = [path, path / "generator.safetensors", path / "checkpoints" / "last.ckpt"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    where = (
        f"{path} is a folder without generator.safetensors or checkpoints/last.ckpt"
        if path.is_dir()
        else f"{path} does not exist"
    )
    names = " or ".join(SHIPPED)
    raise WeightsError(f"Expected weights ({names}, a .ckpt, .safetensors or .pth, or a run's folder), but {where}.")


def shipped_file(name: str) -> Path:
    """A weight file that comes with the package, by its name there."""
    shipped = Path(str(files("srgan") / "assets" / "weights" / name))
    if not shipped.is_file():
        raise WeightsError(f"The weights {name} are missing from this installation ({shipped}).")
    return shipped


def _from_pickle(file: Path) -> tuple[Any, dict[str, Any]]:
    """The architecture, as far as it is stated; and its tensors, or what else it holds."""
    content = read_plain(file)
    if GENERATOR_CONFIG not in content:
        return _NOT_STATED, content
    require_checkpoint(content, source=file)
    tensors, config = content["state_dict"], content[GENERATOR_CONFIG]
    prefix = next((p for p in GENERATOR_PREFIXES if any(name.startswith(p) for name in tensors)), "")
    if _is_foreign(config):
        prefix += "model."  # of ``srgan.networks.Adapted``
    return config, {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _from_safetensors(file: Path) -> tuple[Any, dict[str, Tensor]]:
    """As above."""
    header, state = read_safetensors(file)
    if GENERATOR_CONFIG not in header:
        return _NOT_STATED, state
    try:
        return json.loads(header[GENERATOR_CONFIG]), state
    except json.JSONDecodeError as error:
        raise WeightsError(f"{file} is damaged: its header's {GENERATOR_CONFIG!r} is not JSON.") from error
