"""Tests of tiles: no seam, any canvas, tiles that halve when memory runs out, and wrong requests raise."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from srgan.inference import new_canvas, upscale
from srgan.networks import Generator
from srgan.system.device import choose_device

# Peak memory of a process that enlarges a picture of some size onto a map, with tiles of 64.
PEAK = """
import resource, sys, torch
from pathlib import Path
from srgan.inference import new_canvas, upscale
from srgan.networks import Generator

side = int(sys.argv[1])
lr = torch.full((1, 3, side, side), 0.5)
out = new_canvas(4 * side, 4 * side, file=Path(sys.argv[2]))
upscale(Generator(num_blocks=1, channels=4, norm="none").eval(), lr, tile_size=64, out=out)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


class Cramped(Generator):
    """Runs out of memory above some pixels, and once after some calls; remembers the sizes of what it was given."""

    def __init__(self, error: Callable[[], Exception], *, pixels: int) -> None:
        super().__init__(num_blocks=1, channels=4, norm="none")
        self.error, self.pixels, self.sizes = error, pixels, list[torch.Size]()
        self.num_fitting = 10**9

    def forward(self, lr: Tensor) -> Tensor:
        self.sizes.append(lr.shape)
        self.num_fitting -= 1
        if lr.shape[0] * lr.shape[2] * lr.shape[3] > self.pixels or self.num_fitting == -1:
            raise self.error()
        return super().forward(lr)


OUT_OF_MEMORY = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    MemoryError,
]


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(num_blocks=1, channels=4).eval()
    with torch.no_grad():
        generator.tail.output.weight.mul_(0.2)
        generator.tail.output.bias.fill_(0.5)  # type: ignore[union-attr] # most pixels lie within [0, 1]
    return generator


def _picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("tile_size", [1, 7, 16, 31, 32, 40, 100])
@pytest.mark.parametrize("size", [(53, 52), (37, 61), (1, 73), (23, 22)])
def test_tiled_equals_whole(generator: Generator, size: tuple[int, int], tile_size: int, batch_size: int) -> None:
    if tile_size == 1:
        size = (min(size[0], 24), 25)  # a tile a pixel
    lr = _picture(*size)
    whole = upscale(generator, lr)
    tiled = upscale(generator, lr, tile_size=tile_size, batch_size=batch_size)
    assert tiled.shape == whole.shape == (1, 3, 4 * size[0], 4 * size[1])
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)
    assert ((whole > 0) & (whole < 1)).float().mean() > 0.5  # clamping does not hide a seam


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_tiled_equals_whole_for_the_paper_s_depth(norm: str) -> None:
    torch.manual_seed(0)
    generator = Generator(channels=8, norm=norm, global_skip="bicubic").eval()  # type: ignore[arg-type]
    assert generator.num_blocks == 16
    lr = _picture(101, 97)
    tiled = upscale(generator, lr, tile_size=10)
    torch.testing.assert_close(tiled, upscale(generator, lr), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [2, 8])
def test_tiled_equals_whole_at_other_scales_with_skip_and_batch(scale: int) -> None:
    torch.manual_seed(0)
    generator = Generator(scale=scale, num_blocks=1, channels=4, norm="none", global_skip="bicubic").eval()
    lr = torch.rand(2, 3, 40, 45)
    tiled = upscale(generator, lr, tile_size=8, batch_size=4)
    torch.testing.assert_close(tiled, upscale(generator, lr), atol=1e-5, rtol=0)


def test_a_narrower_margin_would_show_a_seam(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    lr = _picture(33, 32)
    monkeypatch.setattr(Generator, "receptive_radius", 3)
    assert (upscale(generator, lr, tile_size=16) - upscale(generator, lr)).abs().max() > 1e-4


def test_tiles_are_of_one_size_and_cover_no_more_than_asked_for() -> None:
    generator = Cramped(MemoryError, pixels=10**9).eval()
    upscale(generator, _picture(120, 200), tile_size=32, batch_size=4)
    # Without the margins of 10 pixels 100x180 are left: 4 rows of 25, 6 columns of 30, in batches of 4 and 2.
    assert generator.sizes == 4 * [(4, 3, 25 + 20, 30 + 20), (2, 3, 25 + 20, 30 + 20)]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_tiles_halve_when_memory_runs_out(error: Callable[[], Exception]) -> None:
    lr = _picture(90, 130)
    torch.manual_seed(0)
    generator = Cramped(error, pixels=10**9).eval()
    whole = upscale(generator, lr)
    generator.pixels = 60 * 60
    with pytest.warns(UserWarning, match="Out of memory on cpu: went on with tile_size=32 batch_size=1"):
        tiled = upscale(generator, lr, batch_size=2)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_what_was_done_before_memory_ran_out_is_kept() -> None:
    lr = _picture(200, 40)
    generator = Cramped(MemoryError, pixels=10**9).eval()
    whole = upscale(generator, lr)
    generator.sizes.clear()
    generator.num_fitting = 1
    with pytest.warns(UserWarning, match="tile_size=32"):
        tiled = upscale(generator, lr, tile_size=64)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)
    first, failed, *rest = [size[2] for size in generator.sizes]
    assert first == failed == 80
    assert rest == 4 * [50]  # the first row of 70 pixels is not done again


def test_a_tile_that_never_fits_is_an_error() -> None:
    generator = Cramped(MemoryError, pixels=100).eval()
    with pytest.raises(MemoryError, match=r"memory of cpu is too small for a tile of .* Free memory, or use"):
        upscale(generator, _picture(64, 64))


def test_another_failure_of_a_tile_is_an_error() -> None:
    out = torch.full((1, 3, 160, 160), 0.25)
    generator = Cramped(lambda: RuntimeError("illegal instruction"), pixels=100).eval()
    with pytest.raises(RuntimeError, match="illegal instruction"):
        upscale(generator, _picture(40, 40), tile_size=16, out=out)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_raise(generator: Generator, value: float) -> None:
    lr = _picture(8, 8)
    lr[0, 0, 4, 4] = value
    with pytest.raises(ValueError, match="Expected finite values from the generator"):
        upscale(generator, lr)


@pytest.mark.parametrize(("dtype", "levels"), [(torch.uint8, 255), (torch.uint16, 65535), (torch.float32, 1)])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_canvas_holds_the_same_picture(
    generator: Generator, dtype: torch.dtype, levels: int, on_disk: bool, tmp_path: Path
) -> None:
    lr = _picture(50, 45)
    file = tmp_path / "canvas" if on_disk else None
    out = new_canvas(200, 180, dtype=dtype, file=file)
    assert upscale(generator, lr, tile_size=16, out=out) is out
    expected = upscale(generator, lr, tile_size=16)
    difference = (out.to(torch.float64) - levels * expected.double()).abs().max()
    assert difference <= (0.5 + 1e-2 if levels > 1 else 0)
    if file is not None:
        stored = np.fromfile(file, dtype=out.numpy().dtype).reshape(200, 180, 3)
        np.testing.assert_array_equal(stored, out[0].permute(1, 2, 0).numpy())


def test_numpy_s_memory_map_is_a_canvas_too(generator: Generator, tmp_path: Path) -> None:
    lr = _picture(30, 33)
    mapped = np.memmap(tmp_path / "canvas", dtype=np.float32, mode="w+", shape=(1, 3, 120, 132))
    upscale(generator, lr, tile_size=16, out=torch.from_numpy(mapped))
    mapped.flush()
    stored = np.fromfile(tmp_path / "canvas", dtype=np.float32).reshape(mapped.shape)
    np.testing.assert_array_equal(stored, upscale(generator, lr, tile_size=16).numpy())


@pytest.mark.parametrize(
    "out",
    [torch.empty(1, 3, 16, 15), torch.empty(1, 3, 16, 16, dtype=torch.int32), torch.empty(1, 3, 16, 16, device="meta")],
)
def test_another_canvas_raises(generator: Generator, out: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected out of shape \(1, 3, 16, 16\), float, uint8 or uint16, on the CPU"):
        upscale(generator, _picture(4, 4), out=out)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's count of a process's peak memory")
def test_memory_grows_by_input_and_output_alone(tmp_path: Path) -> None:
    def peak(side: int) -> int:
        line = [sys.executable, "-c", PEAK, str(side), str(tmp_path / "canvas")]
        return int(subprocess.run(line, capture_output=True, text=True, check=True).stdout)

    small, large = 128, 512
    pixels = large**2 - small**2
    held = pixels * 3 * 4 + pixels * 16 * 3  # the decoded input in float32, and the canvas' pages in uint8
    assert peak(large) - peak(small) < 1.1 * held + 20e6  # in one piece the network alone would hold 150 MB


@pytest.mark.parametrize("tile_size", [None, 4])
def test_result_is_the_generator_s_output_clamped_in_float32(generator: Generator, tile_size: int | None) -> None:
    lr = 4 * _picture(26, 25) - 1.5
    sr = upscale(generator, lr, tile_size=tile_size)
    with torch.no_grad():
        expected = generator(lr)
    assert expected.min() < 0
    assert expected.max() > 1
    torch.testing.assert_close(sr, expected.clamp(0, 1), atol=1e-5, rtol=0)
    assert sr.dtype == torch.float32
    assert not sr.requires_grad
    sr.mul_(0.5)  # an ordinary tensor, free to be changed


@pytest.mark.parametrize("tile_size", [None, 4])
def test_the_generator_s_own_type_is_used(tile_size: int | None) -> None:
    generator = Generator(num_blocks=1, channels=4, norm="none").to(torch.bfloat16).eval()
    sr = upscale(generator, _picture(26, 5), tile_size=tile_size)
    assert sr.dtype == torch.float32
    assert sr.isfinite().all()


def test_training_mode_raises() -> None:
    with pytest.raises(ValueError, match=r"evaluation mode: call generator\.eval\(\)"):
        upscale(Generator(num_blocks=1, channels=4).train(), _picture(4, 4))


@pytest.mark.parametrize("tile_size", [0, -8, "large", 1.5, True, False])
def test_another_tile_size_raises(generator: Generator, tile_size: int) -> None:
    with pytest.raises(ValueError, match=f"Expected tile_size of 1 or more, auto, .* got {tile_size!r}"):
        upscale(generator, _picture(4, 4), tile_size=tile_size)


@pytest.mark.parametrize("batch_size", [0, -1, True, 1.5])
def test_another_batch_size_raises(generator: Generator, batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"Expected batch_size of 1 or more, got {batch_size}"):
        upscale(generator, _picture(4, 4), batch_size=batch_size)


@pytest.mark.parametrize("tile_size", [None, 4])
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 8, 8), (1, 3, 0, 8)])
def test_anything_but_rgb_raises(generator: Generator, shape: tuple[int, ...], tile_size: int | None) -> None:
    with pytest.raises(ValueError, match="Expected lr of shape"):
        upscale(generator, torch.rand(shape), tile_size=tile_size)


@pytest.mark.parametrize("device", ["warp-drive", "cuda:99", "", "meta"])
def test_an_unknown_device_raises(device: str) -> None:
    with pytest.raises(ValueError, match=f"Expected device=auto, cpu, or a device of this machine, got '{device}'"):
        choose_device(device)


def test_auto_is_a_device_of_this_machine() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert torch.zeros(1, device=choose_device("auto")).sum() == 0


def test_nothing_is_said_where_memory_suffices(generator: Generator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        upscale(generator, _picture(30, 30), tile_size="auto", batch_size=2)
