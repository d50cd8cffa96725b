"""Tests of other projects' files: run as they are, measured, tiled, blended; or refused with a reason."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel import ModelLoader

from srgan import Upscaler
from srgan.inference import upscale, with_precision
from srgan.networks import Adapted, Generator, compact, rrdb
from srgan.weights import WeightsError, blend, generator_from_file, load_generator, load_into, save_generator
from tests.weights.community_files import write_compact, write_rrdb, write_span

WRITERS: dict[str, Callable[..., Path]] = {"rrdb": write_rrdb, "compact": write_compact, "span": write_span}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("srgan.weights.foreign_file.user_cache_path", lambda *_, **__: folder)
    return folder


@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors", ".ckpt"])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_gives_what_spandrel_gives(tmp_path: Path, kind: str, ending: str) -> None:
    file = WRITERS[kind](tmp_path / f"net{ending}")
    lr = torch.rand(1, 3, 13, 17, generator=torch.Generator().manual_seed(0))
    state = torch.load(WRITERS[kind](tmp_path / "same.pth"))
    expected = ModelLoader().load_from_state_dict(next(iter(state.values())))(lr)
    assert torch.allclose(upscale(load_generator(file), lr), expected, atol=1e-3)  # SPAN counts to 255


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_scales_of_others_enlarge_by_themselves(tmp_path: Path, scale: int) -> None:
    upscaler = Upscaler(write_compact(tmp_path / "net.pth", scale=scale), device="cpu", consistency=scale > 1)
    small = Image.new("RGB", (9, 7), "teal")
    large = upscaler(small)
    assert large.size == (9 * scale, 7 * scale)
    lr = torch.rand(1, 3, 7, 9)
    assert upscaler.trust_map(lr, upscaler.enlarge(lr)).isfinite().all()


def test_a_network_of_scale_1_has_no_consistency_to_keep(tmp_path: Path) -> None:
    file = write_compact(tmp_path / "restore.pth", scale=1)
    with pytest.raises(ValueError, match=r"Expected consistency=false with .*restore\.pth, which restores pictures"):
        Upscaler(file, device="cpu", consistency=True)


@pytest.mark.parametrize("kind", WRITERS)
def test_tiles_equal_the_whole_to_half_a_level(tmp_path: Path, kind: str) -> None:
    file = WRITERS[kind](tmp_path / "net.pth")
    lr = torch.rand(1, 3, 50, 90, generator=torch.Generator().manual_seed(1))
    for self_ensemble in (False, True):
        whole, tiled = (
            Upscaler(file, device="cpu", tile_size=size, self_ensemble=self_ensemble).enlarge(lr) for size in (None, 24)
        )
        assert (whole - tiled).abs().max() <= 0.5 / 255


def test_a_margin_is_measured_once_for_a_file(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_compact(tmp_path / "net.pth")
    radius = load_generator(file).receptive_radius
    assert 1 <= radius <= 4  # four convolutions
    assert len(list(cache.rglob("*.json"))) == 1
    monkeypatch.setattr("srgan.weights.foreign_file.measure_reach", lambda *_, **__: pytest.fail("measured again"))
    assert load_generator(file).receptive_radius == radius
    for entry in cache.rglob("*.json"):
        entry.write_text("{")
    monkeypatch.undo()
    assert load_generator(file).receptive_radius == radius


def test_a_small_picture_needs_no_margin(tmp_path: Path, cache: Path) -> None:
    Upscaler(write_compact(tmp_path / "net.pth"), device="cpu")(Image.new("RGB", (9, 7)))
    assert not cache.exists()


def test_strength_lies_between_two_files(tmp_path: Path) -> None:
    files = [write_compact(tmp_path / f"{seed}.pth", seed=seed) for seed in (0, 1)]
    pixel, adversarial = (load_generator(file) for file in files)
    blended = blend(pixel, adversarial, strength=0.25)
    for name, value in blended.native_state().items():
        expected = 0.75 * pixel.native_state()[name] + 0.25 * adversarial.native_state()[name]
        assert torch.allclose(value, expected)
    small = np.full((6, 8, 3), 90, np.uint8)
    ends = [Upscaler(files[1], blend_with=files[0], strength=strength, device="cpu")(small) for strength in (0.0, 1.0)]
    assert np.array_equal(ends[0], Upscaler(files[0], device="cpu")(small))
    assert np.array_equal(ends[1], Upscaler(files[1], device="cpu")(small))


def test_files_of_two_architectures_cannot_be_blended(tmp_path: Path) -> None:
    rrdb, compact = load_generator(write_rrdb(tmp_path / "a.pth")), load_generator(write_compact(tmp_path / "b.pth"))
    with pytest.raises(WeightsError, match="architecture is ESRGAN in blend_with and Compact in ckpt"):
        blend(rrdb, compact, strength=0.5)
    with pytest.raises(WeightsError, match="architecture is SRResNet in blend_with and Compact in ckpt"):
        blend(load_generator(Path("srresnet")), compact, strength=0.5)
    wider = load_generator(write_compact(tmp_path / "c.pth", channels=16))
    with pytest.raises(WeightsError, match=r"size is 16nf, 2nc in blend_with and 8nf, 2nc in ckpt"):
        blend(wider, compact, strength=0.5)


def test_a_precision_the_network_lacks_is_refused() -> None:
    network = Adapted(torch.nn.Conv2d(3, 3, 1), architecture="Plain", scale=1).eval()
    assert with_precision(network, "auto") is network
    with pytest.raises(ValueError, match=r"Expected precision to be one of auto, fp32, got fp16: .*Plain"):
        with_precision(network, "fp16")


def test_bfloat16_stays_near_the_full_precision(tmp_path: Path) -> None:
    file, lr = write_compact(tmp_path / "net.pth"), torch.rand(1, 3, 20, 20)
    full, short = (Upscaler(file, device="cpu", precision=precision).enlarge(lr) for precision in ("fp32", "bf16"))
    assert 0 < (full - short).abs().max() < 0.05


def test_sizes_are_padded_and_cut_off_again() -> None:
    class Picky(torch.nn.Module):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            assert lr.shape[-1] % 8 == 0
            assert lr.shape[-2] >= 16
            return lr

    network = Adapted(Picky(), architecture="Picky", scale=1, multiple_of=8, minimum=16)
    lr = torch.rand(2, 3, 5, 19)
    assert torch.equal(network(lr), lr)
    single = torch.rand(1, 3, 1, 1)
    assert torch.equal(network(single), single)


def test_windows_of_attention_fall_alike_in_tiles() -> None:
    class Windows(torch.nn.Module):
        """Each value less its window's mean; windows of 8 from the upper left corner."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            mean = torch.nn.functional.avg_pool2d(lr, 8).repeat_interleave(8, -1).repeat_interleave(8, -2)
            return 0.5 + self.weight * (lr - mean) / 2

    network = Adapted(Windows(), architecture="Windows", scale=1, multiple_of=8).eval()
    assert network.alignment == 8
    lr = torch.rand(1, 3, 45, 83)
    assert torch.allclose(upscale(network, lr, tile_size=11), upscale(network, lr), atol=1e-6)


class Bomb:
    """Pickled, it makes a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin"])
def test_a_pickle_bomb_does_nothing(tmp_path: Path, ending: str) -> None:
    torch.save({"params": Bomb(tmp_path / "executed")}, tmp_path / f"x{ending}")
    with pytest.raises(WeightsError, match=rf"x\{ending} .*more than plain values, which could run a program"):
        load_generator(tmp_path / f"x{ending}")
    assert not (tmp_path / "executed").exists()


def test_torchscript_is_refused_as_a_program(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    torch.jit.trace(torch.nn.Conv2d(3, 3, 1), torch.rand(1, 3, 4, 4)).save(tmp_path / "x.pt")  # type: ignore[no-untyped-call]
    recwarn.clear()  # of writing it
    with pytest.raises(WeightsError, match=r"x\.pt is TorchScript, a program, which is not run: expected tensors"):
        load_generator(tmp_path / "x.pt")
    assert not recwarn.list


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_truncated_download_is_named(tmp_path: Path, ending: str) -> None:
    file = write_rrdb(tmp_path / f"net{ending}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(WeightsError, match=rf"net\{ending} cannot be read.*may be truncated"):
        load_generator(file)


def test_missing_tensors_of_a_known_network_are_named(tmp_path: Path) -> None:
    state = torch.load(write_compact(tmp_path / "net.pth"))["params"]
    torch.save({name: value for name, value in state.items() if name != "body.2.weight"}, tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match=r"cut\.pth looks like a known architecture .*body\.2\.weight"):
        load_generator(tmp_path / "cut.pth")


def test_one_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="with 1 input and 1 output channels, expected 3"):
        load_generator(write_compact(tmp_path / "gray.pth", colours=1))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("spynet.basic_module.0.weight", "video"),
        ("stylegan_decoder.x.weight", "faces"),
        ("conv0.weight", "discriminator"),
    ],
)
def test_networks_of_another_kind_are_refused(tmp_path: Path, key: str, reason: str) -> None:
    torch.save({"params": {key: torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=rf"other\.pth looks like a .*{reason}.* single pictures"):
        load_generator(tmp_path / "other.pth")


def test_weights_of_others_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = torch.load(write_compact(tmp_path / "net.pth"))["params"]
    state["body.0.bias"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"nan\.pth holds weights that are not finite"):
        load_generator(tmp_path / "nan.pth")


@pytest.mark.parametrize("build", [rrdb, compact])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_own_networks_load_in_plain_spandrel(build: Callable[..., Adapted], scale: int, tmp_path: Path) -> None:
    network = build(scale=scale, num_blocks=2, channels=8).eval()
    save_generator(tmp_path / "ours.safetensors", network)
    lr = torch.rand(1, 3, 6, 10)
    theirs = ModelLoader().load_from_file(tmp_path / "ours.safetensors")
    assert torch.allclose(theirs(lr), network(lr).clamp(0, 1), atol=1e-5)
    assert theirs.scale == scale
    again = load_generator(tmp_path / "ours.safetensors")
    assert torch.allclose(again(lr), network(lr), atol=1e-5)


def test_the_largest_networks_are_those_published() -> None:
    sizes = [sum(value.numel() for value in build().parameters()) for build in (rrdb, compact)]
    assert sizes == [16_697_987, 621_424]


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_own_rrdb_starts_from_a_file_of_either_kind(tmp_path: Path, scale: int) -> None:
    own = rrdb(scale=scale, num_blocks=2, channels=8).eval()
    save_generator(tmp_path / "new.safetensors", own)
    old = load_generator(tmp_path / "new.safetensors")  # as spandrel names its tensors
    assert "model.0.weight" in old.native_state()
    save_generator(tmp_path / "old.safetensors", old)
    for name in ("new", "old"):
        start = rrdb(scale=scale, num_blocks=2, channels=8)
        load_into(start, tmp_path / f"{name}.safetensors")
        assert all(torch.equal(value, own.state_dict()[key]) for key, value in start.state_dict().items())


def test_starting_from_another_architecture_says_what_to_do(tmp_path: Path) -> None:
    file = write_compact(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"architecture is Compact in the file and SRResNet here.*from_file"):
        load_into(Generator(), file)
    with pytest.raises(WeightsError, match=r"enlarges 4 times, not 2: set scale=4"):
        generator_from_file(file=str(file), scale=2)
    with pytest.raises(WeightsError, match="Expected generator_weights= with generator=from_file"):
        generator_from_file(file=None, scale=4)


def test_a_network_of_scale_1_is_not_trained(tmp_path: Path) -> None:
    file = write_compact(tmp_path / "restore.pth", scale=1)
    for scale in (1, 4):
        with pytest.raises(WeightsError, match=r"restore\.pth restores pictures and leaves their size: its scale is 1"):
            generator_from_file(file=str(file), scale=scale)


def test_the_licence_of_a_file_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_generator(tmp_path / "nc.safetensors", compact(channels=8), metadata={"license": "CC-BY-NC-4.0"})
    with caplog.at_level("INFO"):
        load_into(compact(channels=8), tmp_path / "nc.safetensors")
    assert "CC-BY-NC-4.0" in caplog.text
