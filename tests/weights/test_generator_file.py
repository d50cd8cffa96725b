"""Tests of generators on disk: what is written is read back, and what cannot be read is explained, never executed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from srgan.networks import AnyGenerator, Generator
from srgan.weights import WeightsError, blend, load_generator, load_into, save_generator


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.fuse,)


def _generator(**options: Any) -> Generator:
    generator = Generator(**{"num_blocks": 1, "channels": 4, **options})
    generator.train()(torch.rand(2, 3, 8, 8))  # BatchNorm's statistics leave their initial values
    return generator.eval()


def _checkpoint(generator: Generator) -> dict[str, Any]:
    tensors = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    others = {"discriminator.features.0.weight": torch.zeros(3), "generator_loss.x": torch.zeros(1)}
    return {"state_dict": {**tensors, **others}, "generator_config": generator.config, "epoch": 0}


def _write(path: Path, generator: Generator) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_generator(path, generator) if path.suffix == ".safetensors" else torch.save(_checkpoint(generator), path)
    return path


def _assert_same(loaded: AnyGenerator, original: Generator) -> None:
    lr = torch.rand(1, 3, 5, 7)
    assert loaded.config == original.config
    assert not loaded.training
    assert torch.equal(loaded(lr), original(lr))


@pytest.mark.parametrize("file", ["generator.safetensors", "last.ckpt"])
@pytest.mark.parametrize("options", [{}, {"scale": 2, "norm": "none", "global_skip": "bicubic", "num_blocks": 2}])
def test_a_generator_comes_back_identical(tmp_path: Path, file: str, options: dict[str, Any]) -> None:
    generator = _generator(**options)
    _assert_same(load_generator(_write(tmp_path / file, generator)), generator)


def test_a_half_precision_file_comes_back_in_float32(tmp_path: Path) -> None:
    save_generator(tmp_path / "g.safetensors", _generator().half())
    loaded = load_generator(tmp_path / "g.safetensors")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded(torch.rand(1, 3, 4, 4)).isfinite().all()


def test_a_runs_folder_means_its_generator_or_last_checkpoint(tmp_path: Path) -> None:
    exported, last = _generator(), _generator()
    _write(tmp_path / "checkpoints" / "last.ckpt", last)
    _assert_same(load_generator(tmp_path), last)
    _write(tmp_path / "generator.safetensors", exported)
    _assert_same(load_generator(tmp_path), exported)


def test_the_header_says_architecture_and_metadata(tmp_path: Path) -> None:
    generator = _generator()
    save_generator(tmp_path / "g.safetensors", generator, metadata={"step": "7"})
    with safe_open(tmp_path / "g.safetensors", framework="pt") as opened:
        header = opened.metadata()
    assert header["step"] == "7"
    assert json.loads(header["generator_config"]) == generator.config


def test_saving_over_a_file_replaces_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = _write(tmp_path / "g.safetensors", _generator())
    newer = _generator(num_blocks=2)
    save_generator(path, newer)
    _assert_same(load_generator(path), newer)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> NoReturn:
        raise OSError("No space left on device")  # which many a file system only says here

    monkeypatch.setattr(os, "fsync", fsync)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    old = _generator()
    path = _write(tmp_path / "g.safetensors", old)
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match="No space left"):
        save_generator(path, _generator())
    _assert_same(load_generator(path), old)


@pytest.mark.usefixtures("full_disk")
def test_an_interrupted_write_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        save_generator(tmp_path / "g.safetensors", _generator())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["g.safetensors", "g.ckpt"])
def test_load_into_fills_a_generator_of_the_same_architecture(tmp_path: Path, file: str) -> None:
    original, other = _generator(), _generator()
    load_into(other, _write(tmp_path / file, original))
    _assert_same(other, original)


def test_load_into_another_architecture_says_what_differs(tmp_path: Path) -> None:
    path = _write(tmp_path / "g.safetensors", _generator())
    other = _generator(num_blocks=2, norm="none")
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(
        WeightsError, match="num_blocks is 1 in the file and 2 here; norm is batch in the file and none"
    ):
        load_into(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize("file", ["no.safetensors", "no.ckpt", "no"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    with pytest.raises(WeightsError, match=rf"Expected weights .*, but .*{file} does not exist"):
        load_generator(tmp_path / file)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is a folder without generator\.safetensors or checkpoints/last\.ckpt"):
        load_generator(tmp_path)


@pytest.mark.parametrize("file", ["g.safetensors", "g.ckpt"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, file: str, share: float) -> None:
    path = _write(tmp_path / file, _generator())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=file):
        load_generator(path)


@pytest.mark.parametrize(("written", "renamed"), [("g.ckpt", "g.safetensors"), ("g.safetensors", "g.ckpt")])
def test_a_file_with_the_wrong_ending_is_named(tmp_path: Path, written: str, renamed: str) -> None:
    _write(tmp_path / written, _generator()).rename(tmp_path / renamed)
    with pytest.raises(WeightsError, match=renamed):
        load_generator(tmp_path / renamed)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_of_no_generator_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match=r"other\.safetensors is of no known architecture: .*'weight'.*ESRGAN"):
        load_generator(tmp_path / "other.safetensors")


def test_a_damaged_header_is_named(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "g.safetensors", metadata={"generator_config": "{"})
    with pytest.raises(WeightsError, match=r"g\.safetensors is damaged: its header's 'generator_config'"):
        load_generator(tmp_path / "g.safetensors")


@pytest.mark.parametrize(
    "content", [{}, {"state_dict": {}}, {"generator_config": {}}, {"epoch": 3}, [1, 2], torch.zeros(3)]
)
def test_checkpoints_without_tensors_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match=r"other\.ckpt is not a (checkpoint|generator).*train\.py"):
        load_generator(tmp_path / "other.ckpt")


@pytest.mark.parametrize("state", [None, {1: torch.zeros(3)}, [1]], ids=["none", "numbers", "list"])
def test_a_state_dict_that_names_no_tensors_is_refused(tmp_path: Path, state: object) -> None:
    torch.save({**_checkpoint(_generator()), "state_dict": state}, tmp_path / "g.ckpt")
    with pytest.raises(WeightsError, match=r"g\.ckpt is not a checkpoint of this project: expected tensors by name"):
        load_generator(tmp_path / "g.ckpt")


def test_weights_of_another_project_are_told_by_their_keys(tmp_path: Path) -> None:
    weights = {name: torch.zeros(1) for name in ("conv_first.weight", "conv_first.bias", "body.0.x", "body.1.x", "z")}
    keys = "'conv_first.weight', .*'body.0.x' and 2 more"
    for content in (weights, {"params_ema": weights}):
        torch.save(content, tmp_path / "RRDB.pth")
        with pytest.raises(WeightsError, match=rf"RRDB\.pth .*5 tensors begin with {keys}\. Expected .*Compact"):
            load_generator(tmp_path / "RRDB.pth")


@pytest.mark.parametrize("content", [b"notes on weights\n", b"version https://git-lfs.github.com/spec/v1\n", b"{}"])
def test_a_text_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "g.ckpt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"g\.ckpt"):
        load_generator(tmp_path / "g.ckpt")


def test_a_truncated_file_of_the_old_kind_is_named(tmp_path: Path) -> None:
    torch.save(_checkpoint(_generator()), tmp_path / "g.ckpt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "g.ckpt").read_bytes()
    for length in range(1, 400, 3):
        (tmp_path / "g.ckpt").write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"g\.ckpt"):
            load_generator(tmp_path / "g.ckpt")


@pytest.mark.parametrize("claim", [{"channels": 10**6}, {"channels": 10**12}, {"num_blocks": 10**9}], ids=str)
def test_a_small_file_claiming_a_large_network_takes_no_memory(tmp_path: Path, claim: dict[str, int]) -> None:
    config = json.dumps({**_generator().config, **claim})
    save_file({"x": torch.zeros(1)}, tmp_path / "g.safetensors", metadata={"generator_config": config})
    with pytest.raises(WeightsError, match=r"g\.safetensors (does not fit|names) .*architecture"):
        load_generator(tmp_path / "g.safetensors")


@pytest.mark.parametrize("file", ["g.safetensors", "g.ckpt"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, file: str, value: float) -> None:
    generator = _generator()
    with torch.no_grad():
        next(generator.parameters())[0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match=rf"{file} holds weights that are not finite .*1 of .*'head\.0\.weight'"):
        load_generator(_write(tmp_path / file, generator))


@pytest.mark.parametrize("config", [{"scale": 5}, {"depth": 3}, {"num_blocks": "many"}, [], "text", None])
def test_an_unknown_architecture_is_refused(tmp_path: Path, config: object) -> None:
    torch.save({"state_dict": {}, "generator_config": config}, tmp_path / "g.ckpt")
    with pytest.raises(WeightsError, match=r"g\.ckpt names an architecture that this version does not have"):
        load_generator(tmp_path / "g.ckpt")


def test_tensors_that_do_not_fit_the_architecture_are_refused(tmp_path: Path) -> None:
    checkpoint = _checkpoint(_generator())
    checkpoint["generator_config"]["num_blocks"] = 2
    torch.save(checkpoint, tmp_path / "g.ckpt")
    with pytest.raises(WeightsError, match=r"g\.ckpt does not fit the architecture it names.*first is 'body"):
        load_generator(tmp_path / "g.ckpt")


def test_a_pickle_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    torch.save({**_checkpoint(_generator()), "callbacks": Bomb(tmp_path / "executed")}, tmp_path / "bomb.ckpt")
    with pytest.raises(WeightsError, match=r"bomb\.ckpt is not a checkpoint of this project, .*more than plain values"):
        load_generator(tmp_path / "bomb.ckpt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("strength", "end"), [(0.0, 0), (1.0, 1)])
def test_a_blend_is_either_network_at_its_ends(strength: float, end: int) -> None:
    networks = [_generator(), _generator()]
    blended = blend(*networks, strength=strength)
    lr = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(blended(lr), networks[end](lr))
    assert not blended.training


def test_a_blend_lies_between_in_its_weights() -> None:
    pixel, adversarial = _generator(norm="none"), _generator(norm="none")
    blended = blend(pixel, adversarial, strength=0.25)
    for name, value in blended.state_dict().items():
        expected = 0.75 * pixel.state_dict()[name] + 0.25 * adversarial.state_dict()[name]
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="Expected strength between 0"):
        blend(_generator(), _generator(), strength=strength)


def test_networks_of_two_architectures_cannot_be_blended() -> None:
    with pytest.raises(WeightsError, match="Expected two weights of the same architecture to blend"):
        blend(_generator(), _generator(num_blocks=2), strength=0.5)
