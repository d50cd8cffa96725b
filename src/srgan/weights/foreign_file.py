"""Generators of other projects: recognised by their tensors' names, by spandrel, and wrapped; nothing is executed."""

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from platformdirs import user_cache_path
from torch import Tensor

from srgan.networks.adapted import Adapted
from srgan.networks.reach import Reach, measure_reach
from srgan.system.files import atomic_write, file_digest
from srgan.weights.checkpoint_file import WeightsError, named_keys, require_finite

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor, ModelDescriptor

# SwinIR, HAT, DAT and others call it the old way, which is of no interest to those who only run them.
_CHATTER = "torch.meshgrid: in an upcoming release"
_MEASURED = "reach-1"  # a folder of the user's cache; another number where measuring changes
# Other networks with the same file extensions, by how their tensors' names begin.
_OTHERS = {
    "spynet.": "a network for video, which looks at several frames",
    "backward_1.": "a network for video, which looks at several frames",
    "feat_extract.": "a network for video, which looks at several frames",
    "pcd_align.": "a network for video, which looks at several frames",
    "stylegan_decoder.": "a network for faces, which have to be found and aligned before",
    "generator.style_convs.": "a network for faces, which have to be found and aligned before",
    "conv0.": "a discriminator, which judges pictures: the generator has another file, often with a g in its name",
    "model.diffusion_model.": "a diffusion model, which takes text and many steps",
}


def load_foreign(content: Mapping[str, Any], *, source: Path) -> Adapted:
    """The network that the tensors of another project's file belong to.

    Args:
        content: What the file holds: tensors by name, or these under a key such as ``params_ema``.
        source: The file.

    Returns:
        The network in evaluation mode, on the CPU, in float32.

    Raises:
        WeightsError: If it is of no known architecture, or of one that does not enlarge pictures of three channels.
    """
    import spandrel  # takes a second, which our own weights need not wait for

    warnings.filterwarnings("ignore", _CHATTER, UserWarning)
    state = spandrel.canonicalize_state_dict(dict(content))
    if not state or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        raise WeightsError(
            f"{source} is not a generator: expected tensors by name, as train.py and other projects write them, got"
            f" {named_keys(state)}."
        )
    try:
        descriptor = spandrel.ModelLoader().load_from_state_dict(state)
    except spandrel.UnsupportedModelError as error:
        raise WeightsError(_unknown(state, source)) from error
    except Exception as error:  # each architecture reads shapes in its own way
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"{source} looks like a known architecture but does not fit it: {reason[:300]} Its tensors begin with"
            f" {named_keys(state)}. Is the file cut short, or made by a changed program?"
        ) from error
    require_finite(state, source=source)
    return _wrapped(_accepted(descriptor, source), find_reach=partial(_cached_reach, source))


def _accepted(descriptor: "ModelDescriptor", source: Path) -> "ImageModelDescriptor[torch.nn.Module]":
    """The network, if it is one that pictures can be enlarged with; else an error that says why not."""
    import spandrel

    name = descriptor.architecture.name
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise WeightsError(f"{source} is {name}, which fills in masked parts of pictures: it does not enlarge them.")
    if descriptor.purpose == "FaceSR":
        raise WeightsError(
            f"{source} is {name}, a network for faces, which have to be found and aligned before: it cannot enlarge"
            " whole pictures."
        )
    channels = descriptor.input_channels, descriptor.output_channels
    if channels != (3, 3):
        raise WeightsError(
            f"{source} is {name} with {channels[0]} input and {channels[1]} output channels, expected 3 of each: RGB"
            " pictures. Look for the author's file for colours."
        )
    return descriptor


def _wrapped(descriptor: "ImageModelDescriptor[torch.nn.Module]", *, find_reach: Any) -> Adapted:
    types = {torch.float16: descriptor.supports_half, torch.bfloat16: descriptor.supports_bfloat16}
    size = descriptor.size_requirements
    network = Adapted(
        descriptor.model,
        architecture=str(descriptor.architecture.id),
        tags=tuple(descriptor.tags),
        scale=descriptor.scale,
        multiple_of=size.multiple_of,
        minimum=max(size.minimum, 1),
        square=size.square,
        sixteen_bit_types=frozenset(dtype for dtype, supported in types.items() if supported),
        call=descriptor._call_fn,  # spandrel's own call clamps, and allows no training
        find_reach=find_reach,
    )
    return network.eval()


def _unknown(state: Mapping[str, Tensor], source: Path) -> str:
    import spandrel

    for prefix, kind in _OTHERS.items():
        if any(name.startswith(prefix) for name in state):
            return f"{source} looks like {kind}: expected a network that enlarges single pictures."
    known = ", ".join(sorted(each.architecture.name for each in spandrel.MAIN_REGISTRY.architectures()))
    return (
        f"{source} is of no known architecture: its {len(state)} tensors begin with {named_keys(state)}. Expected a"
        f" generator of this project, or one of {known}."
    )


def _cached_reach(source: Path, network: Adapted) -> Reach:
    """How far the network of a file looks: as measured before, by the file's digest, or now."""
    file = user_cache_path("srgan", appauthor=False) / _MEASURED / f"{file_digest(source)}.json"
    with suppress(OSError, ValueError, TypeError):
        return Reach(**json.loads(file.read_text(encoding="utf-8")))
    reach = measure_reach(network, scale=network.scale)
    with suppress(OSError), atomic_write(file) as opened:  # if it cannot be written, it is measured again
        opened.write(json.dumps(reach._asdict()).encode())
    return reach
