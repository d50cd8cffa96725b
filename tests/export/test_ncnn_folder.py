"""Tests of the folder for ncnn: ncnn itself computes what the generator does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import ncnn
import pytest
import torch
from torch import Tensor

from srgan.commands.export import main
from srgan.export import TOLERANCE, ExportError, export_generator
from srgan.networks import Generator
from srgan.networks.blocks import BicubicUpscale
from srgan.networks.generator import GlobalSkip
from srgan.weights import load_generator, save_generator


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return saved(tmp_path / "mine.safetensors", "bicubic")


def saved(path: Path, global_skip: GlobalSkip, *, scale: int = 4) -> Path:
    """A small generator with BatchNorm that has seen pictures, and slopes that differ."""
    torch.manual_seed(0)
    generator = Generator(scale=scale, num_blocks=2, channels=4, norm="batch", global_skip=global_skip)
    generator.train()(torch.rand(2, 3, 8, 8))
    with torch.no_grad():
        for parameter in generator.parameters():
            if parameter.numel() == 1:
                parameter.uniform_(0, 0.4)
    save_generator(path, generator)
    return path


def computed(folder: Path, stem: str, lr: Tensor) -> Tensor:
    """As Upscayl's program computes a tile, but in float32."""
    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
    assert net.load_param(str(folder / f"{stem}.param")) == 0
    assert net.load_model(str(folder / f"{stem}.bin")) == 0
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(lr[0].numpy()).clone())
    code, sr = extractor.extract("output")
    assert code == 0
    return torch.from_numpy(sr.numpy().copy())[None]


@pytest.mark.parametrize(("global_skip", "scale"), [("none", 4), ("bicubic", 4), ("bicubic", 2), ("none", 8)])
def test_ncnn_computes_the_same_with_borders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], global_skip: GlobalSkip, scale: int
) -> None:
    weights = saved(tmp_path / "mine.safetensors", global_skip, scale=scale)
    main([f"ckpt={weights}", "format=ncnn", f"out={tmp_path / 'mine'}"])
    assert "differs from" in capsys.readouterr().out
    folder = tmp_path / "mine" / "models"
    assert sorted(file.name for file in folder.iterdir()) == [f"mine-x{scale}.bin", f"mine-x{scale}.param"]
    generator = load_generator(weights)
    for sides in ((2, 2), (31, 18), (50, 70)):
        lr = torch.rand(1, 3, *sides)
        with torch.no_grad():
            expected = generator(lr).clamp(0, 1)
        assert torch.allclose(computed(folder, f"mine-x{scale}", lr), expected, atol=TOLERANCE)


@pytest.mark.parametrize("global_skip", ["none", "bicubic"])
def test_only_layers_that_every_program_has(tmp_path: Path, global_skip: GlobalSkip) -> None:
    """What realesrgan-ncnn-vulkan 0.2 and Upscayl's program of 2024 are built with, of what networks like ours use."""
    export_generator(saved(tmp_path / "mine.safetensors", global_skip), kind="ncnn", out=tmp_path / "mine")
    lines = (tmp_path / "mine/models/mine-x4.param").read_text().splitlines()[2:]
    layers = {line.split()[0] for line in lines}
    assert layers <= {"Input", "Split", "Convolution", "BinaryOp", "Concat", "Crop", "PixelShuffle", "PReLU", "ReLU"}
    assert lines[0].split()[-1] == "data"
    assert "output" in lines[-1].split()


def test_a_name_with_the_scale_is_not_doubled(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine-x4"
    before = BicubicUpscale.forward
    export_generator(weights, kind="ncnn", out=out)
    export_generator(weights, kind="ncnn", out=out)  # its own it replaces
    assert (out / "models" / "mine-x4.param").is_file()
    assert BicubicUpscale.forward is before
    (out / "models" / "other-x4.bin").write_bytes(b"another model")
    with pytest.raises(FileExistsError, match=r"folder, or one that format=ncnn wrote.*holds other-x4\.bin"):
        export_generator(weights, kind="ncnn", out=out)


@pytest.mark.parametrize("package", ["pnnx", "ncnn"])
def test_a_missing_converter_names_the_extra(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf"{package} is not installed: .*pip install 'srgan\[export\]'"):
        export_generator(weights, kind="ncnn", out=tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_what_the_converter_says_is_passed_on(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "unknown operator")

    monkeypatch.setattr("srgan.export.ncnn_folder.subprocess.run", failed)
    with pytest.raises(ExportError, match=r"pnnx could not convert the network \(exit code 1\): unknown operator"):
        export_generator(weights, kind="ncnn", out=tmp_path / "mine")
