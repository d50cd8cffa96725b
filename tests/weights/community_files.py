"""Small files as other projects write them: RRDB, Compact and SPAN with random weights, in BasicSR's layout."""

from pathlib import Path

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def write_rrdb(path: Path, *, scale: int = 4, channels: int = 8, num_blocks: int = 1, seed: int = 0) -> Path:
    shapes: Shapes = {"conv_first.weight": (channels, 3, 3, 3)}
    for block in range(num_blocks):
        for dense in (1, 2, 3):
            for index in range(5):
                out = channels if index == 4 else 32
                shapes[f"body.{block}.rdb{dense}.conv{index + 1}.weight"] = (out, channels + 32 * index, 3, 3)
    names = ["conv_body", *(f"conv_up{stage + 1}" for stage in range(scale.bit_length() - 1)), "conv_hr"]
    shapes |= {f"{name}.weight": (channels, channels, 3, 3) for name in names}
    return _write(path, {**shapes, "conv_last.weight": (3, channels, 3, 3)}, seed=seed, key="params_ema")


def write_compact(
    path: Path, *, scale: int = 4, channels: int = 8, num_convs: int = 2, seed: int = 0, colours: int = 3
) -> Path:
    shapes: Shapes = {"body.0.weight": (channels, colours, 3, 3), "body.1.weight": (channels,)}
    for index in range(1, num_convs + 1):
        shapes[f"body.{2 * index}.weight"] = (channels, channels, 3, 3)
        shapes[f"body.{2 * index + 1}.weight"] = (channels,)
    shapes[f"body.{2 * num_convs + 2}.weight"] = (colours * scale**2, channels, 3, 3)
    return _write(path, shapes, seed=seed, key="params")


def write_span(path: Path, *, scale: int = 4, channels: int = 8, seed: int = 0) -> Path:
    shapes: Shapes = {}

    def convolution(name: str, out: int, into: int, *, gain: int = 2) -> None:
        shapes[f"{name}.sk.weight"] = (out, into, 1, 1)
        shapes[f"{name}.conv.0.weight"] = (into * gain, into, 1, 1)
        shapes[f"{name}.conv.1.weight"] = (out * gain, into * gain, 3, 3)
        shapes[f"{name}.conv.2.weight"] = (out, out * gain, 1, 1)
        shapes[f"{name}.eval_conv.weight"] = (out, into, 3, 3)

    convolution("conv_1", channels, 3)
    for block in range(1, 7):
        for index in ("c1", "c2", "c3"):
            convolution(f"block_{block}.{index}_r", channels, channels)
    shapes["conv_cat.weight"] = (channels, channels * 4, 1, 1)
    convolution("conv_2", channels, channels)
    shapes["upsampler.0.weight"] = (3 * scale**2, channels, 3, 3)
    return _write(path, shapes, seed=seed, key="params")


def _write(path: Path, shapes: Shapes, *, seed: int, key: str) -> Path:
    """Weights and, for all but PReLU's slopes, biases; ``.safetensors`` without the key."""
    noise = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        fan = 1 if len(shape) == 1 else shape[1] * shape[2] * shape[3]
        state[name] = torch.randn(shape, generator=noise) / (2 * fan**0.5)
        if len(shape) > 1:
            state[name.removesuffix("weight") + "bias"] = torch.randn(shape[0], generator=noise) / 20
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save({key: state}, path)
    return path
