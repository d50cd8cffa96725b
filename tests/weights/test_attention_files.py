"""Tests of networks with attention from other projects: they run quietly, and tiles say how far off they are."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from spandrel.architectures.DAT import DAT

from srgan.inference import upscale
from srgan.weights import load_generator


@pytest.fixture
def dat(tmp_path: Path) -> Path:
    """A small DAT with random weights, in BasicSR's layout."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = DAT(
            img_size=16,
            embed_dim=32,
            split_size=[2, 4],
            depth=[2],
            num_heads=[2],
            expansion_factor=2.0,
            upscale=4,
            upsampler="pixelshuffledirect",
        )
    torch.save({"params": network.state_dict()}, tmp_path / "DAT_tiny_x4.pth")
    return tmp_path / "DAT_tiny_x4.pth"


def test_a_network_with_attention_runs_quietly(dat: Path) -> None:
    program = (  # a process of its own, since torch says some things once in a process
        "import sys, torch; from pathlib import Path; from srgan.weights import load_generator\n"
        "with torch.no_grad(): print(*load_generator(Path(sys.argv[1]))(torch.rand(1, 3, 9, 20)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(dat)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "3", "36", "80"]
    assert done.stderr == ""


def test_tiles_of_attention_keep_to_half_a_level_or_warn(dat: Path) -> None:
    network, lr = load_generator(dat), torch.rand(1, 3, 24, 60, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        difference = (upscale(network, lr, tile_size=24) - upscale(network, lr)).abs().max()
    assert difference <= 0.5 / 255 or any("tile_size=auto" in str(each.message) for each in said)
