"""Tests of what a run leaves in W&B: its offline file is read back, record by record."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined] # generated code

from srgan.commands import train
from srgan.system.git import git_commit
from tests.wandb_file import read_records


@pytest.fixture
def run_records(
    compose_train: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Record]:
    """Everything that a tiny run of both phases wrote."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    train.train(compose_train("logger=default", "trainer.max_steps=3", "model.pretrain_steps=1"))
    (file,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # W&B's own process writes the last of it
        found = list(read_records(file))
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.2)
    raise AssertionError(f"W&B has not closed {file}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_values_pictures_and_settings_are_there(run_records: list[Record]) -> None:
    rows = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in run_records
        if record.HasField("history")
    ]
    names = {name for row in rows for name in row}
    assert names >= {
        "train/generator_loss",
        "train/discriminator_loss",
        "train/content_loss",
        "train/adversarial_loss",
        "train/pixel_loss",
        "train/real_probability",
        "train/fake_probability",
        "train/generator_gradient_norm",
        "train/discriminator_learning_rate",
        "train/images_per_second",
        "train/data_wait_percent",
        "train/colour_drift",
        "val/psnr_y",
        "val/ssim_rgb",
        "val/detail_distance",
        "plateau/validations_without_gain",
        "trainer/global_step",
    }
    axes = {record.metric.name: record.metric.step_metric for record in run_records if record.HasField("metric")}
    explicit = {name for name in axes if name.startswith("val/")}
    assert explicit >= {"val/psnr_y", "val/ssim_rgb", "val/detail_distance"}
    assert {axes[name] for name in explicit} == {"trainer/global_step"}
    assert any(name.startswith("val/pictures") for name in names), sorted(names)
    steps = [row["trainer/global_step"] for row in rows if "train/generator_loss" in row]
    assert steps == [0, 1, 2]
    settings = {
        item.key: json.loads(item.value_json)
        for record in run_records
        if record.HasField("config")
        for item in record.config.update
    }
    assert settings["model"]["pretrain_steps"] == 1
    assert settings["content_weights"] == "random"
    assert settings["git_commit"] == git_commit()
    assert re.fullmatch("[0-9a-f]{12}", settings["data_fingerprint"])
    assert (settings["num_training_photos"], settings["num_validation_photos"]) == (3, 2)
