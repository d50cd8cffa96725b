"""Weights on Hugging Face's Hub: ``hf://user/name`` and ``hf://user/name/file.pth``."""

import re
from pathlib import Path

from srgan.weights.checkpoint_file import WeightsError

HUB_FILE = "generator.safetensors"  # which a model from here has, as a run's folder does
_ADDRESS = re.compile(r"hf:/+(?P<repo>[^/]+/[^/]+)(?:/(?P<file>.+))?")  # a Path makes one stroke of two


def is_on_hub(path: Path) -> bool:
    """Whether a path is an address of the Hub."""
    return path.as_posix().startswith("hf:/")


def downloaded(path: Path) -> Path:
    """The file of an address, from the Hub's cache on this machine or else downloaded into it.

    Raises:
        WeightsError: If the address is of another form, the package is missing, or the Hub has no such file or cannot
            be reached.
    """
    shown = path.as_posix().replace("hf:/", "hf://", 1)
    address = _ADDRESS.fullmatch(path.as_posix())
    if address is None:
        raise WeightsError(f"Expected hf://user/name, or hf://user/name/file.pth, got {shown}.")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise WeightsError(
            f"Expected huggingface-hub for {shown}, but it is not installed: pip install 'srgan[hub]'."
        ) from error
    repo, file = address["repo"], address["file"] or HUB_FILE
    try:
        return Path(hf_hub_download(repo, file))
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{file} of https://huggingface.co/{repo} cannot be had: {reason} Models of other projects need the file's"
            f" name: ckpt=hf://{repo}/model.pth."
        ) from error
