"""Weights for the frozen VGG of the content loss: downloaded, from a file, or random with a warning."""

import pickle
import warnings
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

_IMAGENET = {"vgg16": models.VGG16_Weights.IMAGENET1K_V1, "vgg19": models.VGG19_Weights.IMAGENET1K_V1}


class RandomFeaturesWarning(UserWarning):
    """The content loss fell back to an untrained network."""


class NoVggWeightsError(RuntimeError):
    """ImageNet weights cannot be downloaded; the message says what to do, ``reason`` why, in brief."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def load_vgg_weights(features: nn.Sequential, *, network: str, weights: str | Path) -> str:
    """Fill a VGG's ``features`` with weights.

    Args:
        features: The convolutional part of torchvision's VGG, freshly initialised; changed in place.
        network: Its name, ``vgg16`` or ``vgg19``.
        weights: ``imagenet``, ``random``, ``imagenet-or-random``, or a path (see ``ContentLoss``).

    Returns:
        What was loaded: ``imagenet``, ``random`` or the path.

    Raises:
        NoVggWeightsError: If the download fails and no fallback was requested.
        ValueError: If a file is missing, unreadable or of another layout.
    """
    choice = str(weights)
    if choice == "random":
        return "random"
    if choice not in ("imagenet", "imagenet-or-random"):
        _fill(features, _read_file(Path(choice)), source=choice)
        return choice
    enum = _IMAGENET[network]
    try:
        # A file already in the cache is not hashed: weights_only prevents it from being executed.
        state = enum.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        if choice == "imagenet":
            reason = f"{network}'s ImageNet weights cannot be downloaded ({error})"
            raise NoVggWeightsError(_no_download(network, enum.url, error), reason) from error
        warnings.warn(_fell_back(network, error), RandomFeaturesWarning, stacklevel=4)
        return "random"
    _fill(features, state, source="imagenet")
    return "imagenet"


def _fill(features: nn.Sequential, state: dict[str, Tensor], *, source: str) -> None:
    wanted = features.state_dict()
    found = {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
    # A file may have more layers, and the classifier: what matters is that every layer needed is there.
    missing = [name for name in wanted if getattr(found.get(name), "shape", None) != wanted[name].shape]
    if missing:
        raise ValueError(
            f"Expected {source} to hold a VGG in torchvision's layout (features.0.weight, …), but {missing[0]!r} is"
            f" missing or has another shape ({len(missing)} of {len(wanted)} tensors). Does loss.content.network match?"
        )
    features.load_state_dict({name: found[name].float() for name in wanted})


def _read_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(
            f"Expected loss.content.weights to be imagenet, random, imagenet-or-random or a file, got {str(path)!r},"
            " which does not exist."
        )
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"Expected VGG weights (.pth or .safetensors) in {path}, but it cannot be read: {error}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected a state dict in {path}, got {type(state).__name__}.")
    return state


def _no_download(network: str, url: str, error: Exception) -> str:
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    return (
        f"The content loss needs {network}'s ImageNet weights, which cannot be downloaded ({error}). What you can do:\n"
        f"  1. download {url} elsewhere and save it as {cache};\n"
        "  2. use a file you have: loss.content.weights=/path/to/vgg.safetensors (torchvision's layout);\n"
        "  3. use untrained features: loss.content.weights=random (sharper than pixel loss alone, but not the paper's)."
    )


def _fell_back(network: str, error: Exception) -> str:
    return (
        f"{network}'s ImageNet weights cannot be downloaded ({error}). The content loss uses a RANDOM {network}:"
        " fine for a first run, but not the paper's loss. For real results, set loss.content.weights (see README)."
    )
