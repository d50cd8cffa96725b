"""Fixtures that many tests share: tiny photos, a tiny model, and the real configuration shrunk to seconds."""

import os

# Before torch starts threads: those that a test wants would wait for one another by keeping the cores busy.
os.environ["OMP_WAIT_POLICY"] = "passive"

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from lightning import Callback, Trainer
from omegaconf import DictConfig
from PIL import Image

from srgan.data import SuperResolutionDataModule
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import Discriminator, Generator
from srgan.training import SRGAN, build_trainer
from srgan.training.schedules import step_decay
from tests.forked import run_script

PROJECT = Path(__file__).parents[1]

# Tiny tensors: more threads cost ten times what they save as soon as another process wants the cores, such as pytest's
# second one. Here, and in the scripts that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

# The real program with networks, pictures and loggers that take no time. Of two values Hydra takes the last.
TINY = (
    "generator.num_blocks=1",
    "generator.channels=4",
    "discriminator.channels=2",
    "data=folder",
    "data.hr_crop_size=32",
    "data.batch_size=2",
    "data.num_workers=0",
    "data.val_fraction=0.4",
    "trainer.accelerator=cpu",
    "trainer.devices=1",
    "trainer.log_every_n_steps=1",
    "logger=csv",
)
TINY_CONTENT = ("loss.content.weights=random", "loss.content.layer=vgg22")

Compose = Callable[..., DictConfig]
Command = Callable[..., list[str]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests in a real browser to those who ask for them, -m browser; and begin with the slow ones.

    So that at the end no process waits long for the other.
    """
    if "browser" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("browser")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many threads for one test, whatever the number of cores: to be parametrized, indirectly."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def textured_photo(height: int, width: int, *, seed: int) -> Image.Image:
    """A picture with edges at all scales, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.NEAREST)


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decoded photos of tests, and of the scripts that they start, stay out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five photos of 64x80 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(5):
        textured_photo(64, 80, seed=seed).save(folder / f"photo_{seed}.png")
    return folder


@pytest.fixture(scope="session")
def compose_into(photos: Path) -> Compose:
    """Compose conf/train.yaml as the command line would, shrunk, with its output in a folder."""

    def composed(run: Path, *overrides: str, tiny: bool = True) -> DictConfig:
        content: tuple[str, ...] = TINY_CONTENT[:1] if "loss=perceptual" in overrides else TINY_CONTENT
        content = () if {"loss=pixel", "experiment=srresnet"} & set(overrides) else content
        base = (*TINY, f"data.root={photos}", *content, "~callbacks.progress") if tiny else ()
        with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
            return compose("train", overrides=[*base, f"output_dir={run}", *overrides])

    return composed


@pytest.fixture
def compose_train(compose_into: Compose, tmp_path: Path) -> Compose:
    """The same, with its output in ``tmp_path / "run"``."""
    return partial(compose_into, tmp_path / "run")


@pytest.fixture(scope="session")
def train_command(photos: Path) -> Command:
    """The command line of train.py, shrunk to a run of two phases."""

    def command(*overrides: str, sweep: bool = False) -> list[str]:
        script = [sys.executable, str(PROJECT / "train.py"), *(["-m"] if sweep else [])]
        return [*script, *TINY, f"data.root={photos}", *TINY_CONTENT, "model.pretrain_steps=1", *overrides]

    return command


@pytest.fixture
def run_train(train_command: Command, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run that command line in ``tmp_path`` to its end."""

    def run(*overrides: str, sweep: bool = False) -> "subprocess.CompletedProcess[str]":
        return run_script(train_command(*overrides, sweep=sweep), cwd=tmp_path)

    return run


@pytest.fixture
def make_model() -> Callable[..., SRGAN]:
    """Build a tiny SRGAN; keyword arguments replace those of its constructor."""

    def make(**changes: object) -> SRGAN:
        torch.manual_seed(0)
        content = ContentLoss(layer="vgg22", weights="random")
        arguments: dict[str, object] = {
            "generator": Generator(num_blocks=1, channels=4),
            "discriminator": Discriminator(channels=2),
            "generator_loss": GeneratorLoss(content=content, pixel_criterion="l1"),
            "generator_optimizer": partial(torch.optim.Adam, lr=1e-3),
            "discriminator_optimizer": partial(torch.optim.Adam, lr=1e-3),
            "pretrain_schedule": step_decay,
            "generator_schedule": step_decay,
            "discriminator_schedule": step_decay,
        }
        return SRGAN(**{**arguments, **changes})  # type: ignore[arg-type] # as a YAML file would

    return make


@pytest.fixture
def fit(photos: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """Train a model on the tiny photos; further keyword arguments are the trainer's."""

    def run(
        model: SRGAN, *, steps: int, callbacks: tuple[Callback, ...] = (), hr_crop_size: int = 32, **options: Any
    ) -> Trainer:
        trainer = build_trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            log_every_n_steps=1,
            callbacks=callbacks,
            default_root_dir=tmp_path,
            **options,
        )
        datamodule = SuperResolutionDataModule(root=photos, hr_crop_size=hr_crop_size, batch_size=2, val_fraction=0.4)
        trainer.fit(model, datamodule=datamodule)
        return trainer

    return run


@pytest.fixture
def closed_folder(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder one that may not be looked into, also for root, who may look into all."""

    def close(folder: Path) -> None:
        scandir = os.scandir

        def refusing(path: Any = ".") -> Any:
            if Path(path) == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return close
