"""Smoke tests of the benchmarks, and that the textbook they compare with is the same training and the same network."""

import copy
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import degradation, exact, gpu, inference, scaling, startup
from benchmarks.shared.measure import ROOT, MatrixProduct, Options, count_flops, interleaved, run_python, save, timed
from benchmarks.shared.recipe import TINY, Recipe, StepClock
from benchmarks.shared.textbook import TextbookTraining, WellWrittenTraining
from benchmarks.train_step import TOLERANCE, nominal_flops, parameter_difference, parts
from srgan.data.degradations import RandomBlur
from srgan.data.degradations.random_draws import random_sinc
from srgan.networks import Generator
from srgan.weights import save_generator
from tests.forked import Script, run_script

NAMES = (
    "train_step",
    "inference",
    "folder",
    "scaling",
    "startup",
    "degradation",
    "data_loading",
    "exact",
)


@pytest.fixture
def tiny(photos: Path) -> tuple[str, ...]:
    """Settings for a step that takes no time."""
    return (*TINY, "data=folder", f"data.root={photos}", "data.val_fraction=0.4", "data.num_workers=0")


def test_textbook_and_project_take_the_same_step(tiny: tuple[str, ...]) -> None:
    assert parameter_difference(*tiny) < TOLERANCE


def test_another_learning_rate_is_another_step(tiny: tuple[str, ...]) -> None:
    assert parameter_difference(*tiny, "model.generator_optimizer.lr=2e-4") > TOLERANCE


def test_the_well_written_loop_takes_the_same_first_step(tiny: tuple[str, ...]) -> None:
    recipe = Recipe(*tiny)
    batch = next(iter(recipe.datamodule.train_dataloader()))
    plain, careful = (recipe.textbook(each).double() for each in (TextbookTraining, WellWrittenTraining))
    for training in (plain, careful):
        training.optimizer_d.param_groups[0]["lr"] = 0.0  # they update the discriminator before and after the generator
        training.step(batch["lr"].double(), batch["hr"].double())
    for a, b in zip(plain.generator.parameters(), careful.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)
    first = copy.deepcopy(careful.discriminator.state_dict())
    careful.optimizer_d.param_groups[0]["lr"] = 1e-3
    careful.step(batch["lr"].double(), batch["hr"].double())
    assert any((value != first[name]).any() for name, value in careful.discriminator.named_parameters())
    assert isinstance(careful, WellWrittenTraining)
    moved = zip(careful.average.parameters(), careful.generator.parameters(), strict=True)
    assert all((average != value).any() for average, value in moved)


def test_step_and_its_parts_are_measured(tiny: tuple[str, ...]) -> None:
    recipe, clock = Recipe(*tiny), StepClock()
    recipe.fit(steps=2, callbacks=[clock])
    assert len(clock.steps) == len(clock.waits) == 2
    assert all(wait < step for wait, step in zip(clock.waits, clock.steps, strict=True))
    lr, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32)
    taken = interleaved(parts(recipe.model, lr, hr), rounds=2)
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in taken.values())
    assert set(nominal_flops(recipe.textbook(), lr.shape, hr.shape)) == {"generator", "discriminator", "vgg"}


def test_flops_count_two_for_each_multiplication() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, device="meta")
    assert count_flops(lambda: conv(torch.empty(1, 3, 10, 10, device="meta"))) == 2 * 3 * 8 * 9 * 100
    product = MatrixProduct((16, 32))
    assert product.rate([timed(product)()]) > 0


@pytest.mark.parametrize(("norm", "global_skip"), [("none", "bicubic"), ("batch", "none")])
@pytest.mark.parametrize("tile_size", [7, 64])
def test_textbook_enlarges_to_the_same_picture(
    norm: str, global_skip: str, tile_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "TILE_SIZE", tile_size)
    monkeypatch.setattr(inference, "_PLAIN_TILES_ABOVE", 0)
    weights = tmp_path / "generator.safetensors"
    generator = Generator(num_blocks=1, channels=4, norm=norm, global_skip=global_skip)  # type: ignore[arg-type]
    save_generator(weights, inference.calibrated(generator))
    project, plain, _ = inference.project_and_plain(weights)
    lr = torch.rand(1, 3, 13, 18)
    torch.testing.assert_close(project(lr), plain(lr), atol=inference.TOLERANCE, rtol=0)
    assert 0.05 < project(lr).std() < 0.5


def test_cost_law_is_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    points = [
        {"batch_size": batch, "crop_size": crop, "num_blocks": blocks}
        for batch, crop, blocks in [(1, 32, 1), (2, 32, 2), (4, 64, 1), (2, 64, 3)]
    ]
    megapixels = [point["batch_size"] * point["crop_size"] ** 2 / 1e6 for point in points]
    seconds = [0.5 + 2 * m + 3 * m * p["num_blocks"] for m, p in zip(megapixels, points, strict=True)]
    law = scaling.cost_law(points, seconds)
    assert [law[name] for name in ("a", "b", "c", "r_squared")] == pytest.approx([0.5, 2, 3, 1])
    assert "seconds = 0.5 + 2 Mpix + 3 Mpix x blocks" in capsys.readouterr().out


def test_one_point_and_the_estimate_are_computed(tiny: tuple[str, ...]) -> None:
    (seconds,) = scaling.measure_points([{"batch_size": 2, "crop_size": 32, "num_blocks": 2}], tiny)
    assert seconds > 0
    estimate = scaling.eight_gpus(tiny)
    assert 0 < estimate["PCIe 4 x16"]["efficiency"] < estimate["NVLink"]["efficiency"] < 1


def test_one_and_two_processes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {1: {"seconds": 3.0, "sent": {}}, 2: {"seconds": 2.0, "sent": {"allreduce": 8}}}
    monkeypatch.setattr(scaling, "_step_of_processes", lambda number, *_: steps[number])
    found = scaling.over_processes([], total_batch=4, rounds=2)
    assert (found["ratio"], found["sent"]) == (1.5, {"allreduce": 8})


def test_bytes_of_collective_operations_are_counted(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with scaling.Traffic() as traffic:
            torch.distributed.all_reduce(torch.ones(10) + torch.ones(10))
            torch.distributed.broadcast(torch.ones(3, dtype=torch.float64), src=0)
    finally:
        torch.distributed.destroy_process_group()
    assert traffic.bytes == {"allreduce": 40, "broadcast": 24}


def test_degradations_operators_make_up_its_time() -> None:
    case = degradation.measure(32, 2, rounds=1)
    assert min(case["batches_per_second"].values()) > 0
    assert set(case["shares"]) == {*degradation.OPERATORS, "the rest"}
    assert min(case["shares"].values()) >= 0  # one kind of noise may not have been drawn
    assert min(case["shares"]["blur"], case["shares"]["JPEG"], case["shares"]["the rest"]) > 0
    assert sum(case["shares"].values()) == pytest.approx(1)


def test_kernels_drawn_on_the_way_to_others_count_once() -> None:
    blur = RandomBlur(kernel_sizes=[21], kind_weights={"isotropic": 1}, sigma_range=[1, 1], sinc_probability=1)
    rng = np.random.default_rng(0)
    shares = degradation.operator_shares(lambda: blur.kernel(rng), rounds=50)
    assert 0.5 < shares["drawing kernels"] <= 1
    shares = degradation.operator_shares(lambda: random_sinc(21, rng), rounds=50)
    assert 0.5 < shares["drawing kernels"] <= 1


def test_imports_are_summed_by_package() -> None:
    seconds = startup.import_seconds("-c", "import json.decoder")
    assert seconds["json"] > 0
    assert not any("." in package for package in seconds)


def test_figures_are_saved_with_the_machine(tmp_path: Path) -> None:
    save("name", {"figure": 1.5}, Options(quick=True, out=tmp_path / "new"))
    saved = json.loads((tmp_path / "new" / "name.json").read_text())
    assert saved["figure"] == 1.5
    assert saved["machine"]["threads"] >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as in a process of its own
@pytest.mark.parametrize("name", NAMES)
def test_benchmark_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "run_python", run_once)
    monkeypatch.setattr(exact, "_train_py", partial(train_forked, exact._train_py))
    monkeypatch.setattr(inference, "_ARCHITECTURES", {"default": inference._ARCHITECTURES["default"]})
    assert not importlib.import_module(f"benchmarks.{name}").main(["--quick", "--out", str(tmp_path)])
    assert f"{name}.json" in capsys.readouterr().out
    assert json.loads((tmp_path / f"{name}.json").read_text())["machine"]["quick"] is True


@pytest.mark.slow
def test_engines_are_compared(tmp_path: Path) -> None:
    # In a process of its own: in one that has used OpenVINO 2026.4, a later fork ended in a segmentation fault.
    done = run_script(
        [sys.executable, "-c", "from benchmarks import engines; engines.main()", "--quick", "--out", str(tmp_path)]
    )
    assert done.returncode == 0, done.stderr
    others = {"openvino": ["openvino fp32", "openvino bf16"], "onnxruntime": ["onnxruntime fp32"]}
    installed = [engine for package, engines in others.items() if find_spec(package) for engine in engines]
    cases = json.loads((tmp_path / "engines.json").read_text())["cases"]
    assert {case["engine"] for case in cases} == {"project fp32", "project bf16", *installed}


def run_once(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Each command one time only, with its imports counted whether that is asked for or not."""
    return _with_imports_counted(*(arguments[2:] if arguments[:2] == ("-X", "importtime") else arguments))


@cache
def _with_imports_counted(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_python("-X", "importtime", *arguments)


def train_forked(train_py: Callable[..., tuple[int, str]], folder: Path, *settings: str) -> tuple[int, str]:
    """The first run in a new interpreter, those that are compared with it in forks."""
    if folder.name == "first":
        return train_py(folder, *settings)
    line = [sys.executable, str(ROOT / "train.py"), *settings, f"hydra.run.dir={folder}"]
    done = Script(line, cwd=ROOT, own_group=True).finish()
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_benchmark_of_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    gpu.main(["--device", "cpu", "--quick", "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert min(figures["training"].values()) > 0
    assert min(figures["enlarging"].values()) > 0


@pytest.mark.slow
def test_benchmark_of_a_huge_picture_runs(tmp_path: Path) -> None:
    run_python("-m", "benchmarks.inference", "--huge", "--quick", "--out", str(tmp_path))
    figures = json.loads((tmp_path / "inference_huge.json").read_text())
    assert figures["lr"] == "200x160"
    assert 100 < figures["peak_mb"] < 3000
