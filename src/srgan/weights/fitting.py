"""Two generators of one architecture: blended, or one filled with the other's weights."""

import logging
import re
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from srgan.networks import AnyGenerator, Generator
from srgan.weights.checkpoint_file import WeightsError, misfits
from srgan.weights.generator_file import load_generator, stated_licence

log = logging.getLogger(__name__)

# RRDBNet as ESRGAN first named its tensors, and as spandrel still does → as BasicSR does.
_RRDB_NAMES = (
    (r"model\.0\.", r"conv_first."),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"model\.1\.sub\.\d+\.", r"conv_body."),
)
_SPOKEN = {"tags": "size"}  # what other projects' networks have as ``64nf``, ``23nb``


def blend(pixel: AnyGenerator, adversarial: AnyGenerator, *, strength: float) -> AnyGenerator:
    """Interpolate the weights of two generators, to choose the amount of invented detail.

    Args:
        pixel: What strength 0 gives: trained on pixels alone.
        adversarial: What strength 1 gives: trained adversarially from there.
        strength: Share of ``adversarial`` in the weights, in [0, 1].

    Returns:
        A new generator in evaluation mode.

    Raises:
        ValueError: If the strength is out of range.
        WeightsError: If the architectures differ.

    Reference: network interpolation, Wang et al. 2018 (ESRGAN), arXiv:1809.00219, §3.4.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"Expected strength between 0 (pixel-trained) and 1 (adversarially trained), got {strength}.")
    differing = _differing(pixel, adversarial, where=("in blend_with", "in ckpt"))
    if differing:
        raise WeightsError(
            f"Expected two weights of the same architecture to blend, but {differing}. Set blend_with= to weights that"
            " fit, such as those that the training of ckpt started from, or strength=1."
        )
    blended, ends = deepcopy(adversarial), pixel.state_dict()
    blended.load_state_dict(
        {
            name: torch.lerp(ends[name], value, strength) if value.is_floating_point() else value
            for name, value in adversarial.state_dict().items()
        }
    )
    return blended.train().eval()  # forgets what was measured of the weights before


def load_into(generator: nn.Module, path: Path) -> None:
    """Fill a generator with the weights of a file of the same architecture.

    Raises:
        WeightsError: If the architectures differ; the message says where.
    """
    assert isinstance(generator, AnyGenerator), "conf/generator/*.yaml build srgan.networks.AnyGenerator"
    loaded = load_generator(path)
    if licence := stated_licence(path):
        log.info("%s says of its licence: %s", path, licence)
    state, own = _named_like(loaded.native_state(), generator.native_state()), generator.native_state()
    if not misfits(own, state):
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])
        return
    hint = "Set generator.* to match"
    if not isinstance(loaded, Generator):
        hint += ", or generator=from_file to train the network that the file holds"
    differing = _differing(loaded, generator, where=("in the file", "here"))
    raise WeightsError(f"{path} holds another architecture: {differing}. {hint}.")


def generator_from_file(*, file: str | None, scale: int) -> AnyGenerator:
    """The network that a file holds, to train on.

    Args:
        file: As ``load_generator`` takes it.
        scale: How many times it must enlarge.

    Raises:
        WeightsError: If there is none, or it enlarges otherwise or not at all.
    """
    if file is None:
        raise WeightsError("Expected generator_weights= with generator=from_file: the file whose network to train.")
    generator = load_generator(Path(file))
    if generator.scale == 1:
        raise WeightsError(
            f"{file} restores pictures and leaves their size: its scale is 1. Training is for networks that enlarge,"
            " whose LR is made smaller than HR: name a file of scale 2 or more. predict.py runs this one."
        )
    if generator.scale != scale:
        raise WeightsError(f"{file} enlarges {generator.scale} times, not {scale}: set scale={generator.scale}.")
    return generator.train()


def _differing(one: AnyGenerator, other: AnyGenerator, *, where: tuple[str, str]) -> str:
    """In which settings, or else tensors, two architectures differ, in words; empty if they do not."""
    ours = "SRResNet"  # whose files do not name it
    theirs, wanted = ({"architecture": ours, **network.config} for network in (one, other))
    shared = theirs.keys() & wanted.keys() if theirs["architecture"] == wanted["architecture"] else {"architecture"}
    differing = [
        f"{_SPOKEN.get(name, name)} is {_plain(theirs[name])} {where[0]} and {_plain(value)} {where[1]}"
        for name, value in wanted.items()
        if name in shared and theirs[name] != value
    ]
    if not differing and misfits(one.state_dict(), other.state_dict()):
        differing = [f"tensors have other names or shapes {where[0]} than {where[1]}"]
    return "; ".join(differing)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _named_like(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state under BasicSR's names, where these are RRDBNet's and it has the old ones."""
    if "conv_first.weight" not in own or "model.0.weight" not in state:
        return state
    renamed = {}
    ends = sorted({int(name.split(".")[1]) for name in state if re.fullmatch(r"model\.\d+\.weight", name)})[1:]
    names = [f"conv_up{index}" for index in range(1, len(ends) - 1)] + ["conv_hr", "conv_last"]
    late = [(rf"model\.{number}\.", f"{name}.") for number, name in zip(ends, names, strict=True)]
    for name, value in state.items():
        for old, new in (*_RRDB_NAMES, *late):
            if re.match(old, name):
                renamed[re.sub(f"^{old}", new, name)] = value
                break
    return renamed
