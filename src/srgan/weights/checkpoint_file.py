"""Training checkpoints on disk: finds them, reads them without executing anything, and checks that they fit."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

GENERATOR_CONFIG = "generator_config"  # the key of the architecture, in both kinds of file
_ADVICE = "'torch.load' received|Detected pickle protocol"  # of torch, beside an error that says more


class WeightsError(ValueError):
    """A weight file cannot be used; the message names it and says what to do."""


def resolve_checkpoint(path: Path) -> Path:
    """The training checkpoint that a path means: the file itself, or ``checkpoints/last.ckpt`` of a run's folder.

    Raises:
        WeightsError: If there is none; the message says what to do.
    """
    file = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(f"Expected a checkpoint to resume from, but {file} does not exist.")
    if file.suffix == ".safetensors":
        raise WeightsError(
            f"{file} holds only a generator, which is not enough to resume a run: optimizers and step are missing."
            " Use checkpoints/last.ckpt, or start from these weights with generator_weights=…."
        )
    return file


def check_fits(checkpoint: Mapping[str, Any], state: Mapping[str, Tensor], *, source: Path) -> None:
    """Make sure that a checkpoint fits the networks it will be restored into.

    Args:
        checkpoint: Its content.
        state: State dict of the module to restore.
        source: The file it was read from.

    Raises:
        WeightsError: If it does not fit; the message says where.
    """
    found = checkpoint["state_dict"]
    wrong = misfits(state, found)
    if wrong:
        raise WeightsError(
            f"{source} does not fit these settings' networks: {len(wrong)} tensors differ, the first is {wrong[0]!r}"
            f" with {_shape(found, wrong[0])} in the file and {_shape(state, wrong[0])} here. Use the"
            " settings of the run it comes from (generator.*, discriminator.*, model.ema_decay)."
        )


def require_finite(state: Mapping[str, Tensor], *, source: Path) -> None:
    """Raise a WeightsError that names the file where a value is NaN or infinite."""
    broken = [name for name, value in state.items() if not value.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{source} holds weights that are not finite (NaN or infinity): {len(broken)} of {len(state)} tensors, the"
            f" first is {broken[0]!r}. The training diverged, or the file is damaged: use an earlier checkpoint."
        )


def misfits(own: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names that only one of two state dicts has, or under which they have tensors of different shapes."""
    return [name for name in {**own, **found} if _shape(own, name) != _shape(found, name)]


def _shape(state: Mapping[str, Any], name: str) -> object:
    return getattr(state[name], "shape", "no tensor") if name in state else None


def read_plain(file: Path) -> dict[str, Any]:
    """Read a PyTorch file as plain values, executing nothing.

    Raises:
        WeightsError: If it is damaged, or holds anything but plain values by name.
    """
    warnings.filterwarnings("ignore", _ADVICE, UserWarning)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{file} is not a checkpoint of this project, and no other weights: not a PyTorch file, or one that holds"
            " more than plain values, which could run a program."
        ) from error
    except Exception as error:  # bytes that are not a pickle can raise anything
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{file} is TorchScript, a program, which is not run: expected tensors by name, as in the file that it"
                " was made from."
            ) from error
        raise WeightsError(
            f"{file} cannot be read as weights, it may be truncated or another kind of file:"
            f" {type(error).__name__}: {error}"
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(
            f"{file} is not a generator: expected tensors by name, as train.py writes them, got {named_keys(content)}."
        )
    return content


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a training checkpoint of this project as plain values, executing nothing.

    Raises:
        WeightsError: If it is damaged, not a checkpoint of this project, or holds anything but plain values.
    """
    checkpoint = read_plain(file)
    require_checkpoint(checkpoint, source=file)
    return checkpoint


def require_checkpoint(checkpoint: Mapping[str, Any], *, source: Path) -> None:
    """Raise a WeightsError unless plain values are a training checkpoint of this project."""
    if GENERATOR_CONFIG not in checkpoint or "state_dict" not in checkpoint:
        raise WeightsError(
            f"{source} is not a checkpoint of this project: expected the keys {GENERATOR_CONFIG!r} and 'state_dict',"
            f" got {named_keys(checkpoint)}. Was it made by train.py?"
        )
    state = checkpoint["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise WeightsError(
            f"{source} is not a checkpoint of this project: expected tensors by name in its 'state_dict', got"
            f" {named_keys(state)}. Was it made by train.py?"
        )


def named_keys(content: object) -> str:
    """The first keys of a mapping, in words."""
    if not isinstance(content, Mapping) or not content:
        return f"{'an empty ' if isinstance(content, Mapping) else ''}{type(content).__name__}"
    first = ", ".join(repr(key)[:60] for key in list(content)[:3])
    return first if len(content) <= 3 else f"{first} and {len(content) - 3} more"
