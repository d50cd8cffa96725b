"""A generator as TorchScript, which programs on libtorch read."""

import copy
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from srgan.export.parity import EXAMPLE, Clamped, Network
from srgan.networks import Generator
from srgan.networks.blocks import mirrored_index

DESCRIPTION = "description.json"  # the extra file in the archive


def write_torchscript(generator: Generator, described: Mapping[str, str]) -> tuple[bytes, Network]:
    """The file, and what it computes, for any size and batch."""
    network = Clamped(copy.deepcopy(generator))
    archive = io.BytesIO()
    with quiet_tracing():
        if isinstance(network.generator, Generator) and network.generator.skip is not None:
            # Tracing would keep the CPU as where the indices are made.
            network.generator.skip.mirror = torch.jit.script(mirrored_index)
        traced = torch.jit.trace(network.eval(), torch.rand(EXAMPLE), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, archive, _extra_files={DESCRIPTION: json.dumps(dict(described), indent=2)})
        archive.seek(0)
        return archive.getvalue(), torch.jit.load(archive)  # type: ignore[no-untyped-call]


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Trace without warnings that lead nowhere."""
    with warnings.catch_warnings():
        # Deprecated by torch 2.14 in favour of torch.export; but this is the format that other programs read.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\..*is deprecated")
        # The check of the input's shape, which the file goes without.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        yield
