"""Tests of files for other programs: each is read as such a program would, and computes what the generator does."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from srgan.commands.export import main
from srgan.export import DESCRIPTION, TOLERANCE, ExportError, export_generator, largest_difference
from srgan.networks import Generator
from srgan.networks.generator import GlobalSkip
from srgan.weights import SHIPPED, WeightsError, load_generator, save_generator

Reader = Callable[[Path], tuple[Callable[[Tensor], Tensor], dict[str, str]]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator with all that makes exporting hard: BatchNorm that has seen pictures, and the bicubic skip."""
    torch.manual_seed(0)
    generator = Generator(scale=4, num_blocks=2, channels=4, norm="batch", global_skip="bicubic")
    generator.train()(torch.rand(2, 3, 8, 8))
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    save_generator(path, generator, metadata={"licence": "CC0", "data": "34 photos"})
    return path


def read_safetensors(path: Path) -> tuple[Callable[[Tensor], Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        names, metadata = list(file.keys()), file.metadata()
    assert not [name for name in names if "running" in name]  # BatchNorm is folded
    generator = load_generator(path)
    return lambda lr: generator(lr).clamp(0, 1), metadata


def read_torchscript(path: Path) -> tuple[Callable[[Tensor], Tensor], dict[str, str]]:
    files = {DESCRIPTION: ""}
    network = torch.jit.load(path, _extra_files=files)  # type: ignore[no-untyped-call]
    assert "batch_norm" not in str(network.inlined_graph)
    assert "Device = prim::Constant" not in str(network.inlined_graph)  # else it would work on one device alone
    return network, json.loads(files[DESCRIPTION])


def read_onnx(path: Path) -> tuple[Callable[[Tensor], Tensor], dict[str, str]]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert "values in [0, 1]" in model.graph.input[0].doc_string
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (lr,), (sr,) = session.get_inputs(), session.get_outputs()
    assert (lr.name, lr.shape, sr.name) == ("lr", ["batch", 3, "height", "width"], "sr")
    metadata = session.get_modelmeta().custom_metadata_map
    return lambda image: torch.from_numpy(session.run(["sr"], {"lr": image.numpy()})[0]), metadata


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("kind", "read"), [("safetensors", read_safetensors), ("torchscript", read_torchscript), ("onnx", read_onnx)]
)
def test_exported_file_equals_the_generator_at_any_size(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, read: Reader
) -> None:
    out = tmp_path / "new" / f"mine.{kind}"
    main([f"ckpt={weights}", f"format={kind}", f"out={out}"])
    assert "differs from" in capsys.readouterr().out
    assert list(out.parent.iterdir()) == [out]  # one file, nothing beside it
    network, metadata = read(out)
    generator = load_generator(weights)
    with torch.no_grad():
        for shape in [(1, 3, 1, 1), (1, 3, 1, 9), (4, 3, 3, 1), (1, 3, 21, 13)]:
            lr = torch.rand(shape) * 1.5 - 0.25  # some output leaves [0, 1]
            torch.testing.assert_close(network(lr), generator(lr).clamp(0, 1), atol=TOLERANCE, rtol=0)
    assert (metadata["scale"], metadata["licence"], metadata["data"]) == ("4", "CC0", "34 photos")
    assert '"num_blocks": 2' in metadata["architecture"]
    assert "channels R, G, B; values in [0, 1]" in metadata["input"]
    assert "(N, 3, 4 h, 4 w)" in metadata["output"]


def test_a_licence_can_be_given(weights: Path, tmp_path: Path) -> None:
    export_generator(weights, kind="safetensors", out=tmp_path / "g.safetensors", licence="MIT")
    assert read_safetensors(tmp_path / "g.safetensors")[1]["licence"] == "MIT"


def test_the_difference_is_the_largest_over_all_sizes() -> None:
    def enlarge(lr: Tensor) -> Tensor:
        return lr.repeat_interleave(4, -1)

    def wrong_on_lines(lr: Tensor) -> Tensor:
        return enlarge(lr) + 0.25 * (lr.shape[-1] == 1)

    assert largest_difference(enlarge, enlarge) == 0
    assert largest_difference(wrong_on_lines, enlarge) == pytest.approx(0.25)
    with pytest.raises(ExportError, match=r"Expected an output of \(1, 3, 1, 4\) for \(1, 3, 1, 1\), got"):
        largest_difference(lambda lr: lr, enlarge)


def test_non_finite_weights_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    generator = Generator(num_blocks=1, channels=4)
    with torch.no_grad():
        generator.tail.output.weight[0] = torch.nan
    save_generator(tmp_path / "broken.safetensors", generator)
    with pytest.raises(WeightsError, match=r"broken\.safetensors holds weights that are not finite"):
        export_generator(tmp_path / "broken.safetensors", kind="safetensors", out=tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.safetensors"]


def test_the_weights_are_not_written_over(weights: Path) -> None:
    with pytest.raises(ExportError, match="another file than the weights"):
        export_generator(weights, kind="safetensors", out=weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ckpt=srgan", "fromat=onnx", "out=a"], r"got 'fromat=onnx'\. Did you mean format=…\?"),
        (["ckpt=srgan", "onnx"], "got 'onnx'"),
        (["ckpt=srgan", "format=onnx"], "Expected a value for out=…"),
        (["ckpt=srgan", "format=", "out=a"], "Expected a value for format=…, got nothing"),
        (["ckpt=srgan", "format=tflite", "out=a"], "onnx, darktable, .*got 'tflite'"),
        (["ckpt=missing", "format=safetensors", "out=a"], "missing does not exist"),
    ],
)
def test_a_wrong_command_line_is_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert re.search(message, f"{stop.value.code}\n{capsys.readouterr().err}")


def test_a_missing_package_is_named(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportError, match=r"onnxruntime is not installed: pip install .*'srgan\[export\]'"):
        export_generator(weights, kind="onnx", out=tmp_path / "g.onnx")


LOAD_EACH = """
import pathlib, torch, spandrel
from srgan.spandrel_arch import register
register(); register()
for folder in map(pathlib.Path, sys.argv[1:]):
    model = spandrel.ModelLoader().load_from_file(folder / "s.safetensors")
    torch.save(model(torch.load(folder / "lr.pt")).clone(), folder / "sr.pt")
"""


def load_with_spandrel(folders: Sequence[Path], *, before: str = "", after: str = "") -> list[Tensor]:
    """What the networks in ``s.safetensors`` make of ``lr.pt`` where only spandrel and our architecture are known."""
    program = f"import sys\n{before}{LOAD_EACH}{after}"
    subprocess.run([sys.executable, "-c", program, *map(str, folders)], check=True)
    return [torch.load(folder / "sr.pt") for folder in folders]


def test_a_clean_process_with_spandrel_loads_ours(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generators: dict[Path, Generator] = {}
    skips: tuple[GlobalSkip, ...] = ("none", "bicubic")
    for scale, global_skip in product((2, 4, 8), skips):
        folder = tmp_path / f"{scale}_{global_skip}"
        folder.mkdir()
        generators[folder] = Generator(scale=scale, num_blocks=2, channels=4, global_skip=global_skip).eval()
        save_generator(folder / "g.safetensors", generators[folder])
        assert export_generator(folder / "g.safetensors", kind="spandrel", out=folder / "s.safetensors") < TOLERANCE
        torch.save(torch.rand(1, 3, 5, 7), folder / "lr.pt")
    loaded = load_with_spandrel(
        list(generators), after="assert not {'lightning', 'hydra', 'srgan.weights'} & set(sys.modules)"
    )
    for (folder, generator), sr in zip(generators.items(), loaded, strict=True):
        lr = torch.load(folder / "lr.pt")
        assert torch.allclose(sr, generator(lr).clamp(0, 1), atol=TOLERANCE), folder.name
        assert torch.allclose(load_generator(folder / "s.safetensors")(lr), generator(lr), atol=TOLERANCE), folder.name


@pytest.mark.slow
def test_the_shipped_weights_load_with_spandrel_alone(tmp_path: Path) -> None:
    lr = torch.rand(1, 3, 16, 20)
    for name in SHIPPED:
        (tmp_path / name).mkdir()
        export_generator(Path(name), kind="spandrel", out=tmp_path / name / "s.safetensors")
        torch.save(lr, tmp_path / name / "lr.pt")
    # Of this package, only what ComfyUI's folder needs can be imported.
    without = (
        "for room in ('weights', 'system', 'pictures', 'inference', 'export'): sys.modules[f'srgan.{room}'] = None\n"
        "for package in ('lightning', 'hydra', 'omegaconf', 'wandb'): sys.modules[package] = None\n"
    )
    for name, sr in zip(
        SHIPPED, load_with_spandrel([tmp_path / each for each in SHIPPED], before=without), strict=True
    ):
        with torch.no_grad():
            expected = load_generator(Path(name))(lr).clamp(0, 1)
        assert torch.allclose(sr, expected, atol=TOLERANCE), name


def test_an_onnx_of_one_size_in_float16(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed.onnx"
    main([f"ckpt={weights}", "format=onnx", f"out={out}", "size=32", "half=true"])
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, 32, 32]
    lr = torch.rand(1, 3, 32, 32)
    sr = torch.from_numpy(session.run(None, {"lr": lr.numpy()})[0])
    assert 0 < (sr - load_generator(weights)(lr).clamp(0, 1)).abs().max() < 0.5 / 255
    kinds = {onnx.TensorProto.DataType.Name(each.data_type) for each in onnx.load(out).graph.initializer}
    assert "FLOAT16" in kinds


def test_darktables_folder_holds_what_it_asks_for(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "my-model"
    export_generator(weights, kind="darktable", out=out)
    config = json.loads((out / "config.json").read_text())
    assert config["id"] == "my-model"
    assert (config["task"], config["backend"], config["num_inputs"]) == ("upscale", "onnx", 1)
    session = onnxruntime.InferenceSession(out / "model_x4.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, 256, 256]
    export_generator(weights, kind="darktable", out=out)  # its own it replaces
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="Expected out to be a new folder"):
        export_generator(weights, kind="darktable", out=out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["format=torchscript", "size=32"], "Expected size and half with format=onnx alone"),
        (["format=onnx", "size=many"], "Expected size to be a whole number of pixels, got many"),
        (["format=onnx", "size=0"], "Expected size of 1 or more, got 0"),
        (["format=onnx", "half=yes"], "Expected half to be true or false, got yes"),
    ],
)
def test_wrong_options_are_refused(weights: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main([f"ckpt={weights}", f"out={tmp_path / 'x'}", *arguments])
