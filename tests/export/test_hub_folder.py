"""Tests of the folder for Hugging Face's Hub: what is in it, and what becomes of it with and without a login."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml  # type: ignore[import-untyped]

from srgan.commands.export import main
from srgan.export import TOLERANCE, export_generator
from srgan.networks import Generator
from srgan.weights import load_generator, save_generator


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator = Generator(num_blocks=1, channels=4, global_skip="bicubic")
    metadata = {"licence": "MIT; see MODEL_CARD.md", "data": "34 photos", "steps": "90"}
    save_generator(tmp_path / "mine.safetensors", generator, metadata=metadata)
    return tmp_path / "mine.safetensors"


class Hub:
    """What huggingface_hub.HfApi does, without a network."""

    def __init__(self, *, files: tuple[str, ...] | None = None) -> None:
        self.files, self.uploaded = files, [""][:0]

    def whoami(self) -> dict[str, Any]:
        return {"name": "ada"}

    def repo_exists(self, repo: str) -> bool:
        return self.files is not None

    def file_exists(self, repo: str, file: str) -> bool:
        return file in (self.files or ())

    def create_repo(self, repo: str, *, exist_ok: bool) -> None:
        assert exist_ok

    def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
        self.uploaded += [repo_id, *sorted(file.name for file in folder_path.iterdir())]


class NoLogin(Hub):
    """Nobody is logged in."""

    def whoami(self) -> dict[str, Any]:
        raise OSError("Token is required, but no token found.\nMore.")


def use(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: hub))


def test_the_folder_holds_weights_a_card_and_an_entry(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "crisp"
    export_generator(weights, kind="hub", out=out)
    lr = torch.rand(1, 3, 5, 6)
    assert torch.allclose(load_generator(out)(lr), load_generator(weights)(lr), atol=TOLERANCE)
    _, header, card = (out / "README.md").read_text(encoding="utf-8").split("---\n")
    metadata = yaml.safe_load(header)
    assert (metadata["license"], metadata["pipeline_tag"], metadata["library_name"]) == (
        "mit",
        "image-to-image",
        "srgan",
    )
    for part in ("# crisp", "4 times", "34 photos", "MIT; see MODEL_CARD.md", "hf://"):
        assert part in card
    entry = json.loads((out / "openmodeldb.json").read_text())
    resource = entry["resources"][0]
    content = (out / "generator.safetensors").read_bytes()
    assert (resource["size"], resource["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (entry["scale"], entry["license"], entry["trainingIterations"]) == (4, "MIT", 90)
    needed = "name author license tags description date architecture size scale inputChannels outputChannels images"
    assert set(needed.split()) <= set(entry)


def test_a_licence_of_no_short_name_is_told_in_the_card(weights: Path, tmp_path: Path) -> None:
    export_generator(weights, kind="hub", out=tmp_path / "g", licence="for friends only")
    header = yaml.safe_load((tmp_path / "g" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (header["license"], header["license_name"]) == ("other", "see-card")
    assert json.loads((tmp_path / "g" / "openmodeldb.json").read_text())["license"] is None


@pytest.mark.parametrize("files", [None, ("generator.safetensors",)])
def test_who_is_logged_in_can_push(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: tuple[str, ...] | None,
) -> None:
    use(hub := Hub(files=files), monkeypatch)
    main([f"ckpt={weights}", "format=hub", f"out={tmp_path / 'crisp'}", "push=true"])
    assert hub.uploaded == ["ada/crisp", "README.md", "config.json", "generator.safetensors", "openmodeldb.json"]
    assert "ckpt=hf://ada/crisp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hub", "setting", "message"),
    [
        (NoLogin(), "format=hub", r"Expected somebody to be logged in .*no token found\.\)\. Run hf auth login"),
        (Hub(files=("model.bin",)), "format=hub", "has a model ada/mine already that is not from here"),
        (Hub(), "format=spandrel", "Expected push with format=hub alone, got format=spandrel"),
        (None, "format=hub", r"huggingface-hub for push=true, but it is not installed: pip install 'srgan\[hub\]'"),
    ],
)
def test_what_cannot_be_pushed_is_not(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub | None, setting: str, message: str
) -> None:
    if hub is None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    else:
        use(hub, monkeypatch)
    with pytest.raises(SystemExit, match=message):
        main([f"ckpt={weights}", setting, f"out={tmp_path / 'mine'}", "push=true"])
    assert hub is None or not hub.uploaded
