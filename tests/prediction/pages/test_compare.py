"""Tests of comparing networks: what the page and the scores hold, going on, names, and mistakes."""

import base64
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import srgan
from srgan.evaluation.metrics import score_card
from srgan.networks import Generator
from srgan.pictures.resize import upscale
from srgan.pictures.rgb import read_image
from srgan.prediction import Summary
from srgan.prediction.pages.compare import compare, named_weights
from srgan.weights import WeightsError, save_generator
from tests.forked import run_script
from tests.weights.community_files import write_compact


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """Two networks, and two LR pictures of which one has an original."""
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        network = Generator(num_blocks=1, channels=4, norm="none", global_skip="bicubic")
        for parameter in network.parameters():
            parameter.data.mul_(2 + seed)  # untrained ones are hardly to be told from bicubic
        save_generator(tmp_path / f"{name}.safetensors", network)
    for each in ("lr/sub", "hr"):
        (tmp_path / each).mkdir(parents=True)
    with Image.open(photos / "photo_0.png") as hr:
        hr.save(tmp_path / "hr" / "a.png")
        for name in ("a.png", "sub/b.png"):
            hr.resize((20, 16), Image.Resampling.BICUBIC).save(tmp_path / "lr" / name)
    return tmp_path


def run(folder: Path, *names: str, **settings: Any) -> Summary:
    weights = [str(folder / f"{name}.safetensors") for name in names or ("first", "second")]
    given = {"source": folder / "lr", "output": folder / "out", "precision": "fp32", "device": "cpu", **settings}
    return compare(ckpt=weights, **given)


def page(folder: Path) -> str:
    return (folder / "out" / "index.html").read_text(encoding="utf-8")


def shown(folder: Path) -> dict[str, dict[str, Any]]:
    blocks = [json.loads(each) for each in re.findall(r'class="picture">(.*?)</script>', page(folder))]
    return {block["name"]: block for block in blocks}


def layer(block: dict[str, Any], name: str) -> torch.Tensor:
    with Image.open(io.BytesIO(base64.b64decode(block["layers"][name].split(",")[1]))) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


def test_the_page_has_a_layer_of_each_networks_file(folder: Path) -> None:
    summary = run(folder, reference=str(folder / "hr"))
    assert summary.complete
    assert str(summary) == "4 enlarged"
    assert list(shown(folder)) == ["a.png", "sub/b.png"]
    block = shown(folder)["a.png"]
    assert list(block["layers"]) == ["bicubic", "network-0", "network-1", "reference"]
    assert block["facing"] == ["network-0", "network-1"]
    for key, name in (("network-0", "first"), ("network-1", "second")):
        assert block["labels"][key].startswith(f"{name} · ")
        assert torch.equal(layer(block, key), read_image(folder / "out" / name / "a.png"))
    assert torch.equal(layer(block, "reference"), read_image(folder / "hr" / "a.png"))
    assert "reference" not in shown(folder)["sub/b.png"]["layers"]


def test_scores_are_those_of_the_metric_card(folder: Path) -> None:
    run(folder, reference=str(folder / "hr"))
    scores = json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert list(scores) == ["bicubic", "first", "second"]
    hr = read_image(folder / "hr" / "a.png")
    for name in ("first", "second"):
        expected = score_card(read_image(folder / "out" / name / "a.png"), hr, scale=4)
        assert scores[name]["a.png"] == pytest.approx(expected)
        cell = f"{expected['psnr_y']:.2f} {expected['ssim_y']:.4f}"
        assert page(folder).count(f'<td class="number">{cell} ') == 1  # of the picture
        assert f'<td class="number">{expected["psnr_y"]:.2f}</td>' in page(folder)  # the mean


def test_size_of_file_scale_and_seconds_of_each_are_told(folder: Path) -> None:
    run(folder)
    size = f"{(folder / 'first.safetensors').stat().st_size / 1e6:.1f}"
    row = rf'<th scope="row">first</th><td>4 ×</td><td class="number">{size}</td>\n<td class="number">\d+\.\d\d</td>'
    assert re.search(row, page(folder))
    assert len(re.findall(r'<span class="quiet">\d+\.\d\d s</span>', page(folder))) == 4


def test_what_is_finished_is_not_done_again(folder: Path) -> None:
    run(folder)
    (folder / "out" / "second" / "a.png").unlink()
    assert str(run(folder)) == "1 enlarged, 3 done before"
    assert list(shown(folder)) == ["a.png", "sub/b.png"]


def test_another_scale_is_brought_to_the_largest_by_bicubic(folder: Path) -> None:
    torch.manual_seed(0)
    double = Generator(scale=2, num_blocks=1, channels=4, norm="none", global_skip="bicubic")
    save_generator(folder / "double.safetensors", double)
    assert run(folder, "double", "first", reference=str(folder / "hr")).complete
    sr = read_image(folder / "out" / "double" / "a.png")
    assert sr.shape[-2:] == (32, 40)
    block = shown(folder)["a.png"]
    assert (block["width"], block["height"]) == (80, 64)
    enlarged = upscale(sr, 2).clamp(0, 1)
    assert (layer(block, "network-0") - enlarged).abs().max() <= 0.51 / 255
    assert "<td>2 ×, then bicubic to 4 ×</td>" in page(folder)
    scores = json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))["scores"]
    expected = score_card(layer(block, "network-0"), read_image(folder / "hr" / "a.png"), scale=4)
    assert scores["double"]["a.png"] == pytest.approx(expected)


def test_consistency_with_scale_1_is_refused_before_any_work(folder: Path) -> None:
    restore = write_compact(folder / "restore.pth", scale=1)
    weights = [str(folder / "first.safetensors"), str(restore)]
    with pytest.raises(ValueError, match="Expected consistency=false with a network whose scale is 1"):
        compare(ckpt=weights, source=folder / "lr", output=folder / "out", device="cpu", consistency=True)
    assert not (folder / "out").exists()


def test_a_picture_that_one_could_not_do_is_named(folder: Path) -> None:
    (folder / "out" / "second").mkdir(parents=True)
    Image.new("RGB", (80, 64)).save(folder / "out" / "second" / "a.png")  # somebody else's
    summary = run(folder)
    assert not summary.complete
    assert re.search(r"1 cannot be looked at:\n  .*a\.png: there is no result of second", str(summary))
    assert list(shown(folder)) == ["sub/b.png"]


def test_a_broken_picture_is_told_of_each_network(folder: Path) -> None:
    (folder / "lr" / "c.png").write_bytes(b"no picture")
    told = str(run(folder))
    assert "first: " in told
    assert "second: " in told
    assert list(shown(folder)) == ["a.png", "sub/b.png"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["a.pth"], r"two weights or more .* got a\.pth"),
        ([], "two weights or more .* got none"),
        (["a.pth", "x/A.safetensors"], r"a\.pth and x/A\.safetensors are both A"),
    ],
)
def test_weights_that_cannot_be_told_apart_are_refused(weights: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named_weights(weights)


def test_a_run_is_called_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "run.2").mkdir()
    assert list(named_weights([str(tmp_path / "run.2"), "srgan"])) == ["run.2", "srgan"]


def test_unreadable_weights_are_told_before_any_work(folder: Path) -> None:
    (folder / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        run(folder, "first", "bad")
    assert not (folder / "out").exists()


def test_pages_and_folders_of_others_are_kept(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "index.html").write_text("mine")
    with pytest.raises(ValueError, match=r"index\.html"):
        run(folder)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run(folder, source=folder / "nowhere", output=folder / "other")
    with pytest.raises(ValueError, match="output= to be a folder"):
        run(folder, output=folder / "large.png")


def test_the_command_takes_a_list_and_bare_pictures(folder: Path) -> None:
    program = str(Path(srgan.__file__).with_name("__main__.py"))
    line = [sys.executable, program, "compare", "ckpt=[first.safetensors,second.safetensors]", "lr/a.png"]
    done = run_script(line, cwd=folder)
    assert done.stdout.endswith("Page  compared/index.html\n2 enlarged\n"), done.stderr
    line[3] = "ckpt=srgan"
    alone = run_script(line, cwd=folder)
    assert alone.returncode == 1
    assert "Expected two weights or more" in alone.stderr
