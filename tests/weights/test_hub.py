"""Tests of weights on Hugging Face's Hub, without a network: its library's one function is replaced."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from srgan import Upscaler
from srgan.networks import Generator
from srgan.weights import WeightsError, load_generator, resolve, save_generator
from tests.weights.community_files import write_compact

Serve = Callable[[Callable[[str, str], str]], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    def use(download: Callable[[str, str], str]) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=download))

    return use


@pytest.mark.parametrize("address", ["hf://ada/crisp", "hf://ada/crisp/", "hf://ada/crisp/generator.safetensors"])
def test_a_model_of_the_hub_is_loaded(tmp_path: Path, serve: Serve, address: str) -> None:
    asked = []

    def download(repo: str, file: str) -> str:
        asked.append((repo, file))
        return str(tmp_path / file)

    serve(download)
    save_generator(tmp_path / "generator.safetensors", generator := Generator(num_blocks=1, channels=4).eval())
    lr = torch.rand(1, 3, 5, 6)
    assert torch.equal(load_generator(Path(address))(lr), generator(lr))
    assert asked == [("ada/crisp", "generator.safetensors")]
    assert Upscaler(address, device="cpu")(Image.new("RGB", (4, 3))).size == (16, 12)


def test_a_file_of_another_project_is_named(tmp_path: Path, serve: Serve) -> None:
    write_compact(tmp_path / "net.pth")
    serve(lambda repo, file: str(tmp_path / Path(file).name))
    assert resolve(Path("hf://ada/models/old/net.pth")) == tmp_path / "net.pth"
    assert load_generator(Path("hf://ada/models/old/net.pth")).scale == 4


def test_what_the_hub_does_not_have_is_explained(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(repo: str, file: str) -> str:
        raise FileNotFoundError("404 Client Error.\nDetails.")

    serve(closed)
    expected = r"generator\.safetensors of https://huggingface\.co/ada/crisp cannot be had: 404 Client Error\. Models"
    with pytest.raises(WeightsError, match=expected):
        load_generator(Path("hf://ada/crisp"))
    with pytest.raises(WeightsError, match=r"Expected hf://user/name, or .*, got hf://crisp"):
        load_generator(Path("hf://crisp"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"not installed: pip install 'srgan\[hub\]'"):
        load_generator(Path("hf://ada/crisp"))
