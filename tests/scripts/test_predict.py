"""Tests of predict.py: pictures in, pictures out, nothing overwritten, one message for a mistake."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

from srgan.commands.predict import _PATHS
from srgan.commands.predict import read_settings as plain_settings
from srgan.networks import Generator
from srgan.pictures.rgb import read_image
from srgan.prediction import Summary
from srgan.prediction.enlarger import make_canvas
from srgan.prediction.pages.review import predict_and_review
from srgan.prediction.predict import Prediction
from srgan.system.overrides import quoted_paths
from srgan.weights import WeightsError, save_generator
from tests.forked import Script, run_script

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained generator in a file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    return path


def run(weights: Path, source: Path, output: Path, **settings: Any) -> Summary:
    given = {"ckpt": str(weights), "source": source, "output": output, "device": "cpu", **settings}
    return predict_and_review(**given) if "report" in settings else Prediction(**given).run()


def command(weights: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(PROJECT / "predict.py"), f"ckpt={weights}", "device=cpu", *arguments]


def finish(line: list[str], folder: Path, **options: Any) -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(line, cwd=folder, capture_output=True, check=False, **options)


def read_settings(*arguments: str) -> dict[str, Any]:
    """What the settings come to that are typed so."""
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        return plain_settings(compose("predict", overrides=quoted_paths(arguments, _PATHS, literal=True)))


def pictures(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file())


def test_a_folder_is_mirrored_four_times_as_large(weights: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    Image.new("RGB", (40, 30), "teal").save(source / "a.jpg")
    Image.new("L", (7, 50), 80).save(source / "sub" / "grün.png")
    assert run(weights, source, tmp_path / "out").complete
    assert read_image(tmp_path / "out" / "a.png").shape == (1, 3, 120, 160)
    with Image.open(tmp_path / "out" / "sub" / "grün.png") as image:
        assert (image.size, image.mode) == ((28, 200), "L")


@pytest.mark.parametrize(
    ("mode", "name", "format"), [("RGB", "a.jpg", "JPEG"), ("RGBA", "a.webp", "WEBP"), ("L", "a.tif", "TIFF")]
)
def test_same_keeps_name_and_format(mode: str, name: str, format: str, weights: Path, tmp_path: Path) -> None:
    Image.new(mode, (9, 8), 90).save(tmp_path / name)
    run(weights, tmp_path / name, tmp_path / "out", format="same")
    with Image.open(tmp_path / "out" / name) as image:
        assert (image.format, image.size) == (format, (36, 32))


def test_tiles_leave_no_seam(weights: Path, photos: Path, tmp_path: Path) -> None:
    picture = photos / "photo_1.png"
    run(weights, picture, tmp_path / "tiled", tile_size=16)
    run(weights, picture, tmp_path / "whole", tile_size=None)
    tiled, whole = (read_image(tmp_path / name / "photo_1.png") for name in ("tiled", "whole"))
    assert (tiled - whole).abs().max() <= 1 / 255 + 1e-6  # a rounding to 8 bit may fall to the other side


@pytest.mark.parametrize(("mode", "values_per_pixel"), [("RGB", 3), ("L", 1), ("RGBA", 4), ("LA", 2), ("I;16", 1)])
def test_a_result_too_large_for_the_memory_lies_in_a_file_and_is_the_same(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, values_per_pixel: int
) -> None:
    rng = np.random.default_rng(0)
    shape = (9, 11) if values_per_pixel == 1 else (9, 11, values_per_pixel)
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint16 if mode == "I;16" else np.uint8)).save(
        tmp_path / "a.png"
    )
    run(weights, tmp_path / "a.png", tmp_path / "memory")
    monkeypatch.setattr("srgan.prediction.enlarger.available_memory", lambda device: 0)
    disk = Mock(return_value=SimpleNamespace(free=10**9))
    monkeypatch.setattr("shutil.disk_usage", disk)
    run(weights, tmp_path / "a.png", tmp_path / "disk")
    rooms = {"RGB": 1, "L": 2, "RGBA": 3, "LA": 4, "I;16": 2}  # for all that is as large as the result
    assert disk.call_count == rooms[mode]
    with Image.open(tmp_path / "memory" / "a.png") as one, Image.open(tmp_path / "disk" / "a.png") as other:
        assert one.mode == mode
        assert np.array_equal(np.array(one), np.array(other))
    assert pictures(tmp_path / "disk") == ["a.png"]


def test_a_result_too_large_for_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srgan.prediction.enlarger.available_memory", lambda device: 0)
    with pytest.raises(OSError, match="No space left"):
        make_canvas((1, 3, 10**9, 10**9), dtype=torch.uint8, scratch=tmp_path)


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_there_is_not_is_said_once(weights: Path, photos: Path, tmp_path: Path, quality: int) -> None:
    with pytest.raises(ValueError, match=f"quality from 1 to 100, got {quality}"):
        run(weights, photos, tmp_path / "out", quality=quality)
    assert not (tmp_path / "out").exists()


def test_sixteen_bits_stay_sixteen(weights: Path, tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 8 * 8, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "deep.png")
    run(weights, tmp_path / "deep.png", tmp_path / "out")
    with Image.open(tmp_path / "out" / "deep.png") as image:
        assert image.mode == "I;16"
        assert len(np.unique(np.asarray(image))) > 256


def test_a_trust_map_lies_beside_the_picture(weights: Path, photos: Path, tmp_path: Path) -> None:
    source = photos / "photo_0.png"
    run(weights, source, tmp_path)
    assert run(weights, source, tmp_path, trust_map=True).written  # the picture was there, the map was not
    assert pictures(tmp_path) == ["photo_0.png", "photo_0.png.trust.png"]
    assert run(weights, source, tmp_path).skipped


def test_a_trust_map_takes_hidden_colours_for_those_beside_them(weights: Path, tmp_path: Path) -> None:
    pixels = np.full((12, 12, 4), (90, 120, 60, 255), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "opaque.png")
    pixels[3:9, 3:9] = (255, 0, 255, 0)  # what lies under is not what the result is of
    Image.fromarray(pixels).save(tmp_path / "hole.png")
    for name in ("opaque.png", "hole.png"):
        run(weights, tmp_path / name, tmp_path / "out", trust_map=True)
    maps = [read_image(tmp_path / "out" / f"{name}.png.trust.png") for name in ("opaque", "hole")]
    assert (maps[0] - maps[1]).abs().max() < 0.1


def test_settings_that_change_no_result_do_no_work_again(weights: Path, photos: Path, tmp_path: Path) -> None:
    source = photos / "photo_0.png"
    run(weights, source, tmp_path, tile_size="auto")
    assert run(weights, source, tmp_path, tile_size=16, batch_size=2).skipped
    assert run(weights, source, tmp_path, consistency=True).written


def test_an_input_is_never_overwritten(weights: Path, tmp_path: Path) -> None:
    picture = tmp_path / "in" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", (8, 8), "teal").save(picture)
    before = picture.read_bytes()
    with pytest.raises(ValueError, match=r"a\.png would be overwritten"):
        run(weights, picture, picture.parent, overwrite=True)
    assert picture.read_bytes() == before


def test_two_inputs_of_one_stem_are_both_enlarged(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, references = tmp_path / "in", tmp_path / "hr"
    for folder, side in ((source, 8), (references, 32)):
        folder.mkdir()
        Image.new("RGB", (side, side), "teal").save(folder / "a.png")
    Image.new("RGB", (8, 8), "navy").save(source / "a.jpg")
    for _ in range(2):
        assert run(weights, source, tmp_path / "out", report=True, reference=str(references)).complete
        assert pictures(tmp_path / "out") == ["a.jpg.png", "a.png.png", "index.html", "scores.json"]
        assert "2 of 2 results keep the ending of their picture" in capsys.readouterr().out


def test_bare_paths_and_a_named_result(weights: Path, tmp_path: Path) -> None:
    for name, colour in (("a.png", "teal"), ("b.png", "navy")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    done = run_script(command(weights, "a.png", "b.png"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pictures(tmp_path / "out") == ["a.png", "b.png"]
    large = tmp_path / "large.jpg"
    assert run(weights, tmp_path / "a.png", large, trust_map=True).written
    with Image.open(large) as image:
        assert (image.format, image.size) == ("JPEG", (32, 32))
    assert (tmp_path / "large.jpg.trust.png").is_file()
    assert run(weights, tmp_path / "a.png", large).skipped
    assert not run(weights, tmp_path / "b.png", large).complete  # that of a.png stays


@pytest.mark.slow
def test_a_sweep_over_pictures_of_one_name_keeps_the_first(weights: Path, tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), "red" if name == "monday" else "blue").save(tmp_path / name / "a.png")
    inputs = "input=monday/a.png,tuesday/a.png"
    done = run_script([*command(weights, inputs, "output=out"), "-m"], cwd=tmp_path)
    assert done.returncode == 1
    assert "tuesday/a.png: " in done.stderr
    assert "a.png is the result of monday/a.png, another picture" in done.stderr
    (ledger,) = (tmp_path / "out").rglob(".srgan-ledger.jsonl")
    assert len(ledger.read_text().splitlines()) == 1


def test_something_else_as_weights_is_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "weights.ckpt").write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"weights\.ckpt is not a checkpoint of this project"):
        run(tmp_path / "weights.ckpt", photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tile_size", True),
        ("tile_size", -1),
        ("tile_size", "large"),
        ("batch_size", 0),
        ("strength", float("nan")),
        ("precision", "fp8"),
        ("device", "meta"),
    ],
)
def test_a_wrong_setting_is_told_once_before_any_work(
    name: str, value: Any, weights: Path, photos: Path, tmp_path: Path
) -> None:
    settings = {"ckpt": str(weights), "device": "cpu", name: value}
    with pytest.raises(ValueError, match=f"Expected {name}.* got {value!r}"):
        Prediction(source=photos, output=tmp_path / "out", blend_with=str(weights), **settings)
    assert not (tmp_path / "out").exists()


def test_a_strength_needs_a_second_weight_that_fits(weights: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got strength=0\.5: strength below 1 needs blend_with="):
        run(weights, photos, tmp_path / "out", strength=0.5, blend_with=None)
    assert not (tmp_path / "out").exists()
    with pytest.raises(WeightsError, match=r"channels is 64 in blend_with and 4 in ckpt.*Set blend_with="):
        run(weights, photos, tmp_path / "out", strength=0.5, blend_with="srresnet")
    assert run(weights, photos, tmp_path / "out", strength=0.5, blend_with=str(weights)).complete


def test_two_hundred_files_of_which_ten_are_broken(weights: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = [("RGB", "png"), ("RGB", "jpg"), ("L", "png"), ("RGBA", "webp"), ("P", "gif"), ("CMYK", "tif")]
    for number in range(190):
        mode, suffix = kinds[number % len(kinds)]
        folder = tmp_path / "in" / f"{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (5 + number % 4, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{number}.{suffix}")
    whole = (tmp_path / "in" / "0" / "0.png").read_bytes()
    broken = [b"", b"no picture", whole[: len(whole) // 2], whole[:20], b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF", b"BM"]
    for number in range(10):
        (tmp_path / "in" / f"broken_{number}.png").write_bytes(broken[number % len(broken)])
    done = run_script(command(weights, "input=in", "output=out"), cwd=tmp_path)
    assert done.returncode == 1
    assert len(pictures(tmp_path / "out")) == 190
    listed = done.stderr[done.stderr.index("10 pictures could not be enlarged:") :].splitlines()[1:]
    assert len(listed) == 10
    assert all(f"in/broken_{number}.png" in done.stderr for number in range(10))


@pytest.mark.slow
def test_killed_and_started_again_it_gives_the_same_files(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(tmp_path / "in" / f"{number}.png")
    expected = tmp_path / "expected"
    assert run(weights, tmp_path / "in", expected).complete
    line = command(weights, "input=in", "output=out")
    script = Script(line, cwd=tmp_path)
    while len(list((tmp_path / "out").glob("*.png"))) < 5:
        assert script.poll() is None
        time.sleep(0.01)
    script.kill()
    script.finish()
    assert 5 <= len(list((tmp_path / "out").glob("*.png"))) < 30
    done = run_script(line, cwd=tmp_path)
    assert done.returncode == 0
    assert "done before" in done.stdout
    files = (sorted(folder.iterdir()) for folder in (expected, tmp_path / "out"))
    for one, other in zip(*files, strict=True):
        assert one.name == other.name
        assert one.suffix == ".jsonl" or one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_a_sweep_has_a_folder_for_each_strength_and_one_for_all_parts(weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    line = [*command(weights, "input=a.png", "output=out", f"blend_with={weights}", "strength=0,0.5"), "-m"]
    done = run_script(line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = sorted(path.parent for path in (tmp_path / "out").glob("*/a.png"))
    named = [f"{name}={weights}".replace("/", "_") for name in ("blend_with", "ckpt")]
    assert [path.name for path in folders] == [",".join([*named, f"strength={each}"]) for each in ("0", "0.5")]

    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(tmp_path / "in" / f"{number}.png")
    script = [sys.executable, str(PROJECT / "predict.py"), "-m", "input=in", "output=parts", "device=cpu"]
    done = run_script([*script, "shard=0/2,1/2"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pictures(tmp_path / "parts") == [f"{number}.png" for number in range(6)]


def test_a_run_that_cannot_be_scored_is_summed_up_first(weights: Path, photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    done = run_script(command(weights, "input=a.png", f"reference={photos}", "report=true"), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == "1 enlarged"
    assert done.stderr.splitlines()[-1].startswith(f"None of the pictures has an original in {photos}")
    assert "Page  out/index.html" in done.stdout


@pytest.mark.parametrize(("encoding", "name"), [("latin-1:strict", b"a.png"), ("utf-8:strict", b"\xff.png")])
def test_what_the_console_cannot_show_fails_nothing(encoding: str, name: bytes, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for each in (os.fsdecode(name), "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "in" / each)
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = finish(command(weights, "input=in", "report=true"), tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == b"2 enlarged"
    assert len(pictures(tmp_path / "out")) == 3


def test_standard_input_goes_to_standard_output(weights: Path, tmp_path: Path) -> None:
    stored = io.BytesIO()
    Image.new("LA", (7, 5), (80, 200)).save(stored, "PNG")
    done = finish(command(weights, "input=-", "output=-", "format=same"), tmp_path, input=stored.getvalue())
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "LA", (28, 20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", ["-", "a.png"])
def test_a_reader_that_leaves_ends_it_quietly(source: str, weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    reading, writing = os.pipe()
    os.close(reading)
    with (tmp_path / "a.png").open("rb") as picture, os.fdopen(writing, "wb") as unread:
        line = command(weights, f"input={source}")
        done = subprocess.run(line, cwd=tmp_path, stdin=picture, stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_starts_without_what_only_training_needs(weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    script, *arguments = command(weights, "input=a.png")[1:]
    code = f"import runpy, sys; runpy.run_path({script!r}, run_name='__main__'); print(*sys.modules)"
    done = finish([sys.executable, "-c", code, *arguments], tmp_path, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"torch", "srgan.prediction.enlarger"} <= loaded
    unwanted = {"lightning", "wandb", "torchmetrics", "kornia", "matplotlib", "scipy", "torchvision", "sympy"}
    assert not loaded & {*unwanted, "spandrel", "openvino", "onnxruntime"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected a value for input"),
        (["input=nowhere"], "nowhere does not exist"),
        (["ckpt=nowhere.ckpt", f"input={PROJECT}"], "nowhere.ckpt"),
        (["input="], "Expected input= to name a file or a folder, got nothing"),
        (["input=x", "reference=''"], "Expected reference= to name a file or a folder, got nothing"),
        (["input=-", "output=out"], "Expected input=- and output=- together"),
        (["input=x", "overwrite=maybe"], "Expected overwrite to be true or false, got maybe"),
    ],
)
def test_a_users_mistake_ends_in_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = run_script([sys.executable, str(PROJECT / "predict.py"), *arguments], cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_paths_need_no_quotes_of_hydras_grammar(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "画像 (1), été"
    folder.mkdir()
    source = folder / "it's a=b.png"
    Image.new("RGB", (8, 8)).save(source)
    done = run_script(command(weights, f"input={source}", f"output={folder}/größer"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pictures(folder / "größer") == ["it's a=b.png"]


@pytest.mark.parametrize(
    "path",
    ["2024_05", "1.50", "true", "a\\", "it's\\'", "'tis", "${HOME}/a", "\\${a", "{a: b}", "[a]", "~a~/é", "x=y"],
)
def test_a_path_arrives_as_it_was_typed(path: str) -> None:
    settings = read_settings(f"input={path}", f"output={path}", f"ckpt={path}")
    assert [settings[name] for name in ("input", "output", "ckpt")] == [path] * 3


def test_what_stands_for_no_path_keeps_its_meaning() -> None:
    settings = read_settings("input=-", "output=null", "ckpt='a b'")
    assert [settings[name] for name in ("input", "output", "ckpt")] == ["-", None, "a b"]


def test_the_home_folder_is_found_where_the_shell_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    paths = {name: "~/1.50" for name in ("input", "output", "reference", "ckpt", "blend_with")}
    settings = read_settings(*(f"{name}={path}" for name, path in paths.items()))
    assert {name: settings[name] for name in paths} == dict.fromkeys(paths, "/home/me/1.50")
