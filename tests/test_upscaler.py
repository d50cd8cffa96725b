"""Tests of the library's front door: what comes in goes out, options arrive, and it is there only when asked for."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import srgan.upscaler
from srgan import Upscaler
from srgan.inference import new_canvas, upscale
from srgan.networks import Generator
from srgan.resize import downscale
from srgan.weights import WeightsError, load_generator, save_generator


def _saved(path: Path, seed: int, **options: int) -> Path:
    torch.manual_seed(seed)
    save_generator(path, Generator(**{"num_blocks": 1, "channels": 4, **options}, norm="none", global_skip="bicubic"))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(tmp_path_factory.mktemp("weights") / "adversarial.safetensors", seed=0)


@pytest.fixture(scope="module")
def upscaler(weights: Path) -> Upscaler:
    return Upscaler(weights, device="cpu", precision="fp32")


def test_examples_run() -> None:
    finder = doctest.DocTestFinder().find(srgan.upscaler.Upscaler, "Upscaler", globs=vars(srgan.upscaler).copy())
    results = [doctest.DocTestRunner().run(test) for test in finder]
    assert sum(result.attempted for result in results) == 5
    assert sum(result.failed for result in results) == 0


def test_the_same_kind_comes_out(upscaler: Upscaler) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    sr = upscaler.enlarge(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)
    levels = (sr[0].permute(1, 2, 0) * 255).round().byte().numpy()
    assert levels.shape == (24, 36, 3)

    image = upscaler(Image.fromarray(pixels))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), levels)
    array = upscaler(pixels)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, levels)
    for dtype in (np.float32, np.float64):
        values = upscaler((pixels / 255).astype(dtype))
        assert values.dtype == dtype
        np.testing.assert_allclose(values, sr[0].permute(1, 2, 0).numpy(), atol=1e-5)
    tensor = upscaler(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    assert tensor.shape == (3, 24, 36)
    torch.testing.assert_close(tensor, sr[0])


def test_gray_stays_gray(upscaler: Upscaler) -> None:
    gray = upscaler(Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5))
    assert (gray.mode, gray.size) == ("L", (32, 24))


@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (Image.new("RGBA", (4, 4)), "got RGBA"),
        (np.zeros((4, 4), dtype=np.uint8), r"got \(4, 4\) of uint8"),
        (np.zeros((4, 4, 3), dtype=np.int64), r"got \(4, 4, 3\) of int64"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"got \(3, 4, 4\) of torch.uint8"),
        (torch.zeros(4, 4), r"got \(4, 4\) of torch.float32"),
        ("photo.jpg", "got str"),
    ],
)
def test_anything_else_raises(upscaler: Upscaler, picture: object, got: str) -> None:
    with pytest.raises(ValueError, match=f"Expected an? .*{got}"):
        upscaler(picture)  # type: ignore[type-var]


def test_strength_lies_between_two_weights(weights: Path, tmp_path: Path) -> None:
    pixel = _saved(tmp_path / "pixel.safetensors", seed=1)
    lr = torch.rand(1, 3, 8, 8)

    def enlarged(**options: float) -> torch.Tensor:
        return Upscaler(weights, blend_with=pixel, device="cpu", precision="fp32", **options).enlarge(lr)  # type: ignore[arg-type]

    torch.testing.assert_close(enlarged(strength=0.0), Upscaler(pixel, device="cpu", precision="fp32").enlarge(lr))
    half, whole = enlarged(strength=0.5), enlarged()
    assert (half - whole).abs().max() > 1e-3
    with pytest.raises(ValueError, match="Expected strength between 0"):
        enlarged(strength=1.5)
    with pytest.raises(WeightsError, match="Expected two weights of one architecture"):
        Upscaler(weights, blend_with=_saved(tmp_path / "wide.safetensors", seed=1, channels=6), strength=0.5)


def test_missing_weights_are_named() -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.ckpt does not exist"):
        Upscaler("nowhere.ckpt")


def test_refinements_and_canvas_arrive(weights: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(weights, device="cpu", precision="fp32", tile_size=8, self_ensemble=True, consistency=True)
    lr = torch.rand(1, 3, 40, 8) * 0.5 + 0.25
    sr = upscaler.enlarge(lr)
    assert (downscale(sr, 4) - lr).abs().mean() * 255 < 0.5  # noise is the hardest; photos come to 0.01
    torch.testing.assert_close(upscaler.enlarge(lr.mT), sr.mT, atol=1e-5, rtol=0)
    canvas = new_canvas(160, 32, file=tmp_path / "canvas")
    assert upscaler.enlarge(lr, out=canvas) is canvas
    assert (canvas.float() - 255 * sr).abs().max() < 0.51
    drawn = upscaler.trust_map(lr, canvas)
    assert drawn.shape[-2] == 160 + 92


def test_it_is_only_loaded_when_asked_for() -> None:
    code = "import sys, srgan; print('torch' in sys.modules, 'PIL' in sys.modules); print(srgan.Upscaler.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "Upscaler"]
    with pytest.raises(AttributeError, match="has no attribute 'Downscaler'"):
        srgan.Downscaler  # noqa: B018


def test_other_functions_see_the_same_generator(upscaler: Upscaler, weights: Path) -> None:
    lr = torch.rand(1, 3, 5, 5)
    torch.testing.assert_close(upscaler(lr), upscale(load_generator(weights), lr), atol=1e-5, rtol=0)
