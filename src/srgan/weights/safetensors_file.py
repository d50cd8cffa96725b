"""Safetensors: tensors by name behind a header of texts, read and written whole."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from srgan.system.files import atomic_write
from srgan.weights.checkpoint_file import WeightsError


def read_safetensors(file: Path, *, with_tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts in a file's header and, unless they are not wanted, its tensors; each by name.

    Raises:
        WeightsError: If the file is damaged.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            names = opened.keys() if with_tensors else []
            return opened.metadata() or {}, {name: opened.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise WeightsError(f"{file} cannot be read as safetensors, it may be truncated: {error}") from error


def write_safetensors(path: Path, state: Mapping[str, Tensor], *, header: dict[str, str]) -> None:
    """Write tensors, on any device, whole or not at all."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_write(path) as file:
        file.write(save(tensors, metadata=header))
