"""Tests of making a weight file to ship: small, as good as the checkpoint, and with its papers."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from srgan.networks import Discriminator, Generator
from srgan.weights import load_generator, load_into_discriminator, save_generator
from tools.release_weights import main


def test_the_file_is_half_as_large_and_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    generator = Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic")
    tensors = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    checkpoint = {"state_dict": tensors, "generator_config": generator.config, "global_step": 7}
    torch.save(checkpoint, tmp_path / "last.ckpt")
    output = tmp_path / "tiny_x4.safetensors"
    main([str(tmp_path / "last.ckpt"), str(output), "--data", "34 photos", "--licence", "MIT"])
    with safe_open(output, "pt") as file:
        metadata = file.metadata()
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118 # no mapping
    assert (metadata["steps"], metadata["data"], metadata["licence"]) == ("7", "34 photos", "MIT")
    mean = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mean"))
    assert f"{json.loads(metadata['scores'])['psnr_y']:.2f}" in mean
    lr = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(load_generator(output)(lr), generator(lr), atol=2e-3, rtol=0)


def test_a_snapshot_is_released_with_its_step(tmp_path: Path) -> None:
    generator = Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic")
    snapshot, output = tmp_path / "step_0000500.safetensors", tmp_path / "tiny_x4.safetensors"
    save_generator(snapshot, generator, metadata={"steps": "500"})
    main([str(snapshot), str(output), "--data", "34 photos", "--licence", "MIT"])
    with safe_open(output, "pt") as file:
        assert file.metadata()["steps"] == "500"


def test_a_mixture_has_the_stated_share_of_each(tmp_path: Path) -> None:
    torch.manual_seed(0)
    files = [tmp_path / f"{name}.safetensors" for name in ("first", "second", "third")]
    generators = [Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic") for _ in files]
    for file, generator in zip(files, generators, strict=True):
        save_generator(file, generator, metadata={"steps": "1"})
    output = tmp_path / "mixed_x4.safetensors"
    mix = ["--mix", f"{files[1]}=0.5", "--mix", f"{files[2]}=-0.1"]
    main([str(files[0]), str(output), *mix, "--data", "34 photos", "--licence", "MIT"])
    first, second, third = (generator.native_state()["head.0.weight"] for generator in generators)
    mixed = load_generator(output).native_state()["head.0.weight"]
    torch.testing.assert_close(mixed, 0.6 * first + 0.5 * second - 0.1 * third, atol=1e-3, rtol=0)


def test_the_judge_of_a_run_is_released_for_others_to_start_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge, loaded = Discriminator(channels=2), Discriminator(channels=2)
    tensors = {f"discriminator.{name}": value for name, value in judge.state_dict().items()}
    checkpoint = {"state_dict": tensors, "generator_config": {}, "global_step": 9}
    torch.save(checkpoint, tmp_path / "last.ckpt")
    output = tmp_path / "judge.safetensors"
    main([str(tmp_path / "last.ckpt"), str(output), "--judge", "2", "--data", "34 photos", "--licence", "MIT"])
    with safe_open(output, "pt") as file:
        assert (file.metadata()["steps"], file.metadata()["licence"]) == ("9", "MIT")
    load_into_discriminator(loaded, output)
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(loaded.eval()(images), judge.eval()(images), rtol=1e-2, atol=1e-3)
