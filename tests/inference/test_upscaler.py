"""Tests of the library's front door: what comes in goes out, options arrive, and it is there only when asked for."""

import doctest
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from torch import Tensor

import srgan.inference.upscaler
from srgan import Upscaler
from srgan.inference import new_canvas, upscale
from srgan.networks import Generator
from srgan.pictures.resize import downscale
from srgan.weights import WeightsError, load_generator, save_generator

Array: TypeAlias = NDArray[Any]


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
    finder = doctest.DocTestFinder().find(
        srgan.inference.upscaler.Upscaler, "Upscaler", globs=vars(srgan.inference.upscaler).copy()
    )
    results = [doctest.DocTestRunner().run(test) for test in finder]
    assert sum(result.attempted for result in results) == 7
    assert sum(result.failed for result in results) == 0


RANDOM = np.random.default_rng(0)
RGB, GRAY = (RANDOM.integers(0, 256, shape, dtype=np.uint8) for shape in ((6, 9, 3), (6, 9)))
ALPHA = RANDOM.integers(40, 256, (6, 9), dtype=np.uint8)  # nothing fully transparent: each colour counts
DEEP = RANDOM.integers(0, 65536, (6, 9), dtype=np.uint16)
INDICES = np.arange(54, dtype=np.uint8).reshape(6, 9)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def palette(colours: Array, **info: Any) -> Image.Image:
    image = Image.fromarray(INDICES)
    image.putpalette(colours.flatten().tolist())
    image.info.update(info)
    return image


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """As a camera that was held on its side writes it."""
    stored, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = orientation, "Maker"
    image.save(stored, "PNG", exif=exif, icc_profile=SRGB, dpi=(300, 300))
    return Image.open(stored)


def rgb(values: Array) -> Tensor:
    """Levels of shape (H, W) or (H, W, 3) as the network is to be given them."""
    planes = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    return torch.from_numpy(planes.astype(np.float32)).permute(2, 0, 1)[None] / np.iinfo(values.dtype).max


def enlarged(upscaler: Upscaler, values: Array) -> Array:
    """In [0, 1], shape (4H, 4W, 3); of gray the mean of the channels."""
    sr = upscaler.enlarge(rgb(values))
    return (sr if values.ndim == 3 else sr.mean(1, keepdim=True))[0].permute(1, 2, 0).numpy()


# An image, the mode of its result, the colours that the network is to be given, and the opacity.
IMAGES: dict[str, tuple[Image.Image, str, Array, Array | None]] = {
    "rgb": (Image.fromarray(RGB), "RGB", RGB, None),
    "gray": (Image.fromarray(GRAY), "L", GRAY, None),
    "rgba": (Image.fromarray(np.dstack([RGB, ALPHA])), "RGBA", RGB, ALPHA),
    "gray with alpha": (Image.fromarray(np.dstack([GRAY, ALPHA])), "LA", GRAY, ALPHA),
    "palette": (palette(RGB.reshape(54, 3)), "RGB", RGB, None),
    "palette with alpha": (palette(RGB.reshape(54, 3), transparency=ALPHA.tobytes()), "RGBA", RGB, ALPHA),
    "palette of grays": (palette(GRAY.repeat(3)), "L", GRAY, None),
    "16-bit gray": (Image.fromarray(DEEP), "I;16", DEEP, None),
    "16-bit gray in 32": (Image.fromarray(DEEP.astype(np.int32)), "I;16", DEEP, None),
    "floats": (Image.fromarray((DEEP / 65535).astype(np.float32)), "I;16", DEEP, None),
    "cmyk": (Image.fromarray(RGB).convert("CMYK"), "RGB", RGB, None),
    "black and white": (Image.fromarray(GRAY > 127), "L", np.where(GRAY > 127, 255, 0).astype(np.uint8), None),
    "on its side": (turned(Image.fromarray(RGB), 6), "RGB", np.rot90(RGB, -1).copy(), None),
    "mirrored, with alpha": (
        turned(Image.fromarray(np.dstack([RGB, ALPHA])), 2), "RGBA", RGB[:, ::-1].copy(), ALPHA[:, ::-1].copy()
    ),
}  # fmt: skip


@pytest.mark.parametrize(("image", "mode", "colours", "alpha"), IMAGES.values(), ids=IMAGES)
def test_any_image_becomes_a_larger_one(
    upscaler: Upscaler, image: Image.Image, mode: str, colours: Array, alpha: Array | None
) -> None:
    out = upscaler(image)
    assert out.mode == mode
    values = np.asarray(out).reshape(4 * colours.shape[0], 4 * colours.shape[1], -1)
    levels = np.iinfo(values.dtype).max
    found = values[..., : 3 if mode.startswith("RGB") else 1]
    assert np.abs(found - levels * enlarged(upscaler, colours)).max() <= 0.51
    if alpha is not None:
        expected = Image.fromarray(alpha).resize(out.size, Image.Resampling.BICUBIC)
        assert np.abs(values[..., -1] - np.asarray(expected, dtype=float)).mean() < 4


def test_an_image_keeps_what_its_file_said(upscaler: Upscaler) -> None:
    out = upscaler(turned(Image.fromarray(RGB), 6))
    assert out.info["icc_profile"] == SRGB
    assert out.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    stored = io.BytesIO()
    out.save(stored, "JPEG", exif=out.info["exif"], icc_profile=out.info["icc_profile"])
    with Image.open(stored) as again:
        assert again.getexif()[ExifTags.Base.Make] == "Maker"
        assert ExifTags.Base.Orientation not in again.getexif()
        assert again.info["icc_profile"] == SRGB


@pytest.mark.parametrize(("dtype", "levels"), [("u1", 255), ("u2", 65535), ("f4", 1), ("f8", 1), ("f2", 1)])
@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1), (6, 9, 2), (6, 9, 3), (6, 9, 4)], ids=str)
def test_any_array_becomes_a_larger_one(upscaler: Upscaler, shape: tuple[int, ...], dtype: str, levels: int) -> None:
    picture = np.dstack([RGB if shape[-1] in (3, 4) else GRAY, ALPHA])[..., : shape[2] if len(shape) == 3 else 1]
    given = (picture / 255 * levels).reshape(shape).astype(dtype)
    before = given.copy()
    out = upscaler(given)
    assert out.dtype == given.dtype
    assert out.shape == (24, 36, *shape[2:])
    np.testing.assert_array_equal(given, before)
    colours = RGB if shape[-1] in (3, 4) else GRAY
    found = out.reshape(24, 36, -1)[..., : 3 if shape[-1] in (3, 4) else 1] / levels
    assert np.abs(found - enlarged(upscaler, colours)).max() <= (3e-3 if levels < 65535 else 1e-4)
    if shape[-1] in (2, 4):
        expected = Image.fromarray(ALPHA).resize((36, 24), Image.Resampling.BICUBIC)
        assert np.abs(out[..., -1] / levels - np.asarray(expected) / 255).mean() < 0.02


def test_a_tensor_becomes_a_larger_one(upscaler: Upscaler) -> None:
    lr = rgb(RGB)
    torch.testing.assert_close(upscaler(lr[0]), upscaler.enlarge(lr)[0])
    torch.testing.assert_close(upscaler(lr.double()), upscaler.enlarge(lr))


@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (np.zeros((4, 4, 5), dtype=np.uint8), r"got \(4, 4, 5\) of uint8"),
        (np.zeros((1, 4, 4, 3), dtype=np.uint8), r"got \(1, 4, 4, 3\) of uint8"),
        (np.zeros((4, 4, 3), dtype=np.int64), r"got \(4, 4, 3\) of int64"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"got \(3, 4, 4\) of torch.uint8"),
        (torch.zeros(4, 4), r"got \(4, 4\) of torch.float32"),
        ("photo.jpg", "got str"),
    ],
)
def test_anything_else_raises(upscaler: Upscaler, picture: object, got: str) -> None:
    with pytest.raises(ValueError, match=f"Expected an? .*{got}"):
        upscaler(picture)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "picture",
    [
        np.full((4, 4, 3), 255.0),
        np.full((4, 4), -0.02),
        np.full((4, 4), np.nan, dtype=np.float32),
        torch.full((3, 4, 4), 255.0),
        torch.full((1, 3, 4, 4), torch.nan),
        Image.fromarray(np.full((4, 4), 255, dtype=np.float32)),
    ],
    ids=["array", "negative", "nan", "tensor", "nan tensor", "image"],
)
def test_floats_beyond_their_range_are_refused_not_clipped(upscaler: Upscaler, picture: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .* in \[0, 1\], got values from .*/255"):
        upscaler(picture)


def test_floats_that_overshoot_a_little_are_taken(upscaler: Upscaler) -> None:
    assert upscaler(np.array([[-0.009, 1.009]])).shape == (4, 8)


@pytest.mark.parametrize(
    ("name", "value"), [("tile_size", True), ("tile_size", 0), ("batch_size", 0), ("precision", "fp8"), ("device", "x")]
)
def test_wrong_settings_are_told_at_once(weights: Path, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Expected {name}.* got {value!r}"):
        Upscaler(weights, **{"device": "cpu", name: value})


def test_tiles_smaller_than_their_margin_are_warned_of(weights: Path) -> None:
    lr = torch.rand(1, 3, 40, 24)
    whole = Upscaler(weights, device="cpu", precision="fp32", tile_size=None).enlarge(lr)
    with pytest.warns(UserWarning, match=r"tile_size=2 is less than the 10 pixels .* 121 times .* From tile_size=10"):
        small = Upscaler(weights, device="cpu", precision="fp32", tile_size=2)
    torch.testing.assert_close(small.enlarge(lr), whole, atol=1e-5, rtol=0)  # and says nothing more


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
    with pytest.raises(WeightsError, match="Expected two weights of the same architecture"):
        Upscaler(weights, blend_with=_saved(tmp_path / "wide.safetensors", seed=1, channels=6), strength=0.5)


def test_only_the_packages_weights_have_a_second_to_blend_with(weights: Path) -> None:
    lr = torch.rand(1, 3, 8, 8)
    none = Upscaler("srgan", strength=0.0, device="cpu", precision="fp32").enlarge(lr)
    torch.testing.assert_close(none, Upscaler("srresnet", device="cpu", precision="fp32").enlarge(lr))
    for path in (weights, "srresnet"):
        with pytest.raises(ValueError, match="strength below 1 needs blend_with="):
            Upscaler(path, strength=0.5)


def test_missing_weights_are_named() -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.ckpt does not exist"):
        Upscaler("nowhere.ckpt")


def test_refinements_and_canvas_arrive(weights: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(weights, device="cpu", precision="fp32", tile_size=34, self_ensemble=True, consistency=True)
    lr = torch.rand(1, 3, 110, 8) * 0.5 + 0.25
    sr = upscaler.enlarge(lr)
    assert (downscale(sr, 4) - lr).abs().mean() * 255 < 0.5  # noise is the hardest; photos come to 0.01
    torch.testing.assert_close(upscaler.enlarge(lr.mT), sr.mT, atol=1e-5, rtol=0)
    canvas = new_canvas(440, 32, file=tmp_path / "canvas")
    assert upscaler.enlarge(lr, out=canvas) is canvas
    assert (canvas.float() - 255 * sr).abs().max() < 0.51
    drawn = upscaler.trust_map(lr, canvas)
    assert drawn.shape[-2] == 440 + 92


def test_it_is_only_loaded_when_asked_for() -> None:
    code = "import sys, srgan; print('torch' in sys.modules, 'PIL' in sys.modules); print(srgan.Upscaler.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "Upscaler"]
    with pytest.raises(AttributeError, match="has no attribute 'Downscaler'"):
        srgan.Downscaler  # noqa: B018


def test_other_functions_see_the_same_generator(upscaler: Upscaler, weights: Path) -> None:
    lr = torch.rand(1, 3, 5, 5)
    torch.testing.assert_close(upscaler(lr), upscale(load_generator(weights), lr), atol=1e-5, rtol=0)


FORKED = """
import multiprocessing, numpy, torch
from srgan import Upscaler
torch.set_num_threads(2)
upscaler = Upscaler("srresnet", device="cpu")
picture = numpy.zeros((40, 50, 3), "u1")
upscaler(picture)
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply_async(upscaler, [picture]).get(60).shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are not forked")
def test_a_used_upscaler_works_in_forked_processes() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "(160, 200, 3)\n", done.stderr
