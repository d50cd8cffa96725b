"""Tests of what a command line becomes for Hydra: paths arrive as they were typed."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from srgan.commands.command_line import setting_names
from srgan.system.overrides import TRAIN_PATHS, bare_inputs, quoted_paths, require_paths

PROJECT = Path(__file__).parents[2]
# All that predict.py's own folders are called, and what else Hydra's grammar has a meaning for.
AWKWARD = ["strength=0.5", "a,b", "x[1]", "für", "2024_05", "1.50", "true", "it's", "a\\", "a b (1)", "{a}", "画像"]


def settings(*arguments: str) -> Any:
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        return compose("train", overrides=quoted_paths(arguments, TRAIN_PATHS), return_hydra_config=True)


@pytest.mark.parametrize("path", AWKWARD)
def test_a_path_arrives_as_it_was_typed(path: str, tmp_path: Path) -> None:
    folder = tmp_path / path
    found = settings("data=folder", *(f"{name}={folder}" for name in TRAIN_PATHS if name != "output_dir"))
    for name in TRAIN_PATHS:
        if name != "output_dir":
            assert OmegaConf.select(found, name) == str(folder)


def test_relative_paths_that_look_like_values_are_paths() -> None:
    paths = ["2024_05", "1e5", "true", "-5", ".5", "nan", "a=b"]
    assert [settings("data=folder", f"data.root={path}").data.root for path in paths] == paths


def test_an_existing_folder_is_meant_where_a_list_could_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(settings("data=folder", "data.root=[a,b]").data.root) == ["a", "b"]
    Path("[a,b]").mkdir()
    assert settings("data=folder", "data.root=[a,b]").data.root == "[a,b]"


def test_hydras_grammar_stays_where_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOS", "/photos")
    arguments = ["data.root=${oc.env:PHOTOS}", "ckpt_path=null", "data.val_root='a b'", "hydra.run.dir=r/${now:%Y}"]
    assert quoted_paths(arguments, TRAIN_PATHS) == arguments
    found = settings("data=folder", *arguments)
    assert (found.data.root, found.ckpt_path, found.data.val_root) == ("/photos", None, "a b")
    others = ["data.root.weights.mine=3", "seed=1", "loss.adversarial_weight=1e-3", "--cfg", "job"]
    assert quoted_paths(others, TRAIN_PATHS) == others
    once = quoted_paths(["data.root=a=b"], TRAIN_PATHS)  # as the processes that Lightning starts are given it
    assert quoted_paths(once, TRAIN_PATHS) == once


def test_in_a_sweep_commas_part_paths() -> None:
    found = quoted_paths(
        ["-m", "generator_weights=out/s=0.5,b", "data.root=x[1]", "ckpt_path=choice(a,b)"], TRAIN_PATHS
    )
    assert found == ["-m", "generator_weights='out/s=0.5',b", "data.root='x[1]'", "ckpt_path=choice(a,b)"]


def test_the_home_folder_is_found_where_no_shell_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    found = quoted_paths(["data.root=~/a", "+data.root.mine='~/a b'", "data.val_root=a~b"], TRAIN_PATHS)
    assert found == ["data.root=/home/me/a", "+data.root.mine='/home/me/a b'", "data.val_root='a~b'"]


@pytest.mark.parametrize("name", TRAIN_PATHS)
@pytest.mark.parametrize("nothing", ["", "''", " "])
def test_no_path_is_empty(name: str, nothing: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {name}= to name a file or a folder, got nothing. Is a shell"):
        quoted_paths([f"{name}={nothing}"], TRAIN_PATHS)


def test_no_path_of_a_list_is_empty() -> None:
    with pytest.raises(ValueError, match="ckpt_path"):
        require_paths({"seed": 0, "ckpt_path": ["srgan", ""]})


SETTINGS = setting_names("predict")


def test_several_inputs_in_brackets_are_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[x,y]").mkdir()
    names, lists = ("input", "output"), ("input",)
    typed = ["input=[monday,tue = sday/ü, 'c, d']", "output=[a,b]"]
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        found = compose("predict", overrides=quoted_paths(typed, names, literal=True, lists=lists))
        one = compose("predict", overrides=quoted_paths(["input=[x,y]"], names, literal=True, lists=lists))
    assert list(found.input) == ["monday", "tue = sday/ü", "c, d"]
    assert (found.output, one.input) == ("[a,b]", "[x,y]")
    with pytest.raises(ValueError, match="Expected input= to name a file or a folder, got nothing"):
        quoted_paths(["input=[a,]"], names, literal=True, lists=lists)


def test_files_called_like_settings_and_options_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["a=b.png", "-dash.png", "~tilde.png", "+x=1.png", "holiday.2024=x.png"]
    for name in [*files, "size=2x", "~size"]:
        (tmp_path / name).touch()
    settings = ["size=2x", "~size", "hydra.job.num=1", "-m", "~other.png"]
    *others, inputs = bare_inputs([*settings, *files], SETTINGS)
    assert others == settings
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        assert list(compose("predict", overrides=[inputs]).input) == files


def test_a_path_may_begin_like_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output" / "strength=0.5").mkdir(parents=True)
    (tmp_path / "output" / "strength=0.5" / "a.png").touch()
    assert bare_inputs(["output/strength=0.5/a.png"], SETTINGS) == ["input='output/strength=0.5/a.png'"]


def test_bare_paths_are_inputs(tmp_path: Path) -> None:
    strength = tmp_path / "strength=0.5" / "a.png"
    strength.parent.mkdir()
    strength.touch()
    assert bare_inputs(["photo.jpg", "ckpt=srresnet"], SETTINGS) == ["ckpt=srresnet", "input=photo.jpg"]
    typed = [
        "-m",
        "photo.jpg",
        "it's (1).png",
        str(strength),
        "~blend_with",
        "hydra/launcher=joblib",
        "--config-dir",
        "x",
    ]
    *others, inputs = bare_inputs(typed, SETTINGS)
    assert others == ["-m", "~blend_with", "hydra/launcher=joblib", "--config-dir", "x"]
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        found = compose("predict", overrides=[inputs]).input
    assert list(found) == ["photo.jpg", "it's (1).png", str(strength)]
    assert bare_inputs(["-"], SETTINGS) == ["input=-"]
    with pytest.raises(ValueError, match=r"or as input=, got both: a\.png is not in input="):
        bare_inputs(["input=b.png", "a.png"], SETTINGS)
