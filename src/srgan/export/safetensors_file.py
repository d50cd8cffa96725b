"""A generator as safetensors: for this project, and for programs that load models through spandrel."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load, save

from srgan.export.parity import Clamped, Network
from srgan.networks import Generator
from srgan.spandrel_arch import SKIP, register
from srgan.weights import load_generator, save_generator
from srgan.weights.checkpoint_file import GENERATOR_CONFIG


def write_safetensors(generator: Generator, described: Mapping[str, str]) -> tuple[bytes, Network]:
    """The file, which ``load_generator`` reads, and what it computes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generator.safetensors"
        save_generator(file, generator, metadata=dict(described))
        return file.read_bytes(), Clamped(load_generator(file))


def write_spandrel(generator: Generator, described: Mapping[str, str]) -> tuple[bytes, Network]:
    """Safetensors in which the bicubic skip, which is no weight, shows in a tensor."""
    import spandrel

    registry = spandrel.ArchRegistry()
    register(registry)
    state = {name: value.detach().cpu().contiguous() for name, value in generator.state_dict().items()}
    if generator.skip is not None:
        state[SKIP] = generator.skip.kernels.cpu().contiguous()
    content = save(state, metadata={**described, GENERATOR_CONFIG: json.dumps(generator.config)})
    return content, spandrel.ModelLoader(registry=registry).load_from_state_dict(load(content))
