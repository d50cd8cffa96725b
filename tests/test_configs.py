"""Tests of conf/: every file composes and builds what it names, and a wrong key is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from srgan.data import SuperResolutionDataModule
from srgan.module import SRGAN

CONF = Path(__file__).parents[1] / "conf"

Compose = Callable[..., DictConfig]


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize(
    "override",
    [
        f"{group}={option}"
        for group in ("generator", "discriminator", "loss", "model", "trainer", "logger")
        for option in options(group)
    ],
)
def test_every_option_builds(compose_train: Compose, override: str) -> None:
    cfg = compose_train(override)
    assert isinstance(instantiate(cfg.model, _convert_="all"), SRGAN)
    instantiate(cfg.trainer, _convert_="all")
    for each in cfg.logger.values():
        instantiate(each)


def test_callbacks_build(compose_train: Compose) -> None:
    cfg = compose_train(tiny=False)
    callbacks = [instantiate(each) for each in cfg.callbacks.values()]
    trainer = instantiate(cfg.trainer, _convert_="all", callbacks=callbacks)
    assert set(callbacks) <= set(trainer.callbacks)


@pytest.mark.parametrize("slot", ["pretrain_schedule", "generator_schedule", "discriminator_schedule"])
@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule_fits_every_slot(compose_train: Compose, slot: str, schedule: str) -> None:
    cfg = compose_train(f"schedule@model.{slot}={schedule}")
    assert instantiate(cfg.model[slot])(0, 100) > 0


@pytest.mark.parametrize("data", options("data"))
def test_every_data_source_builds(compose_train: Compose, photos: Path, data: str) -> None:
    roots = {"paired": [f"data.root={photos}", f"data.lr_root={photos}"], "folder": [f"data.root={photos}"]}
    cfg = compose_train(f"data={data}", *roots.get(data, []), tiny=False)
    assert isinstance(instantiate(cfg.data, _convert_="all"), SuperResolutionDataModule)


@pytest.mark.parametrize(
    "override",
    [f"data/{group}={each}" for group in ("degradation", "augmentation") for each in options(f"data/{group}")],
)
def test_every_degradation_and_augmentation_builds(compose_train: Compose, override: str) -> None:
    cfg = compose_train(override)
    assert isinstance(instantiate(cfg.data, _convert_="all"), SuperResolutionDataModule)


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_builds(compose_train: Compose, photos: Path, experiment: str) -> None:
    cfg = compose_train(f"experiment={experiment}", tiny=False)
    if OmegaConf.is_missing(cfg.data, "root"):
        cfg.data.root = str(photos)
    if cfg.loss.content is not None:
        cfg.loss.content.weights = "random"
    OmegaConf.resolve(cfg)
    instantiate(cfg.data, _convert_="all")
    instantiate(cfg.trainer, _convert_="all")
    model = instantiate(cfg.model, _convert_="all")
    assert model.pretrain_steps <= cfg.trainer.max_steps


def test_paper_experiment_has_the_papers_network(compose_train: Compose) -> None:
    cfg = compose_train("experiment=paper", tiny=False)
    assert (cfg.generator.norm, cfg.generator.global_skip, cfg.generator.num_blocks) == ("batch", "none", 16)
    assert cfg.loss.adversarial_weight == 1e-3


def test_scale_is_written_once(compose_train: Compose) -> None:
    cfg = compose_train("scale=2")
    assert cfg.generator.scale == cfg.data.scale == 2


def test_command_line_reaches_the_loss_through_the_model(compose_train: Compose) -> None:
    cfg = compose_train("loss.adversarial_weight=5e-3")
    model = instantiate(cfg.model, _convert_="all")
    assert model.generator_loss.weights["adversarial"] == 5e-3


@pytest.mark.parametrize("override", ["trainer.devcies=4", "los.adversarial_weight=1", "loss=srgn"])
def test_misspelled_override_fails_at_composition(compose_train: Compose, override: str) -> None:
    with pytest.raises(ConfigCompositionException):
        compose_train(override)


@pytest.mark.parametrize("key", ["model.pretrain_step", "loss.adversarial_wieght", "generator.blocks"])
def test_misspelled_new_key_fails_at_instantiation(compose_train: Compose, key: str) -> None:
    cfg = compose_train(f"+{key}=1")
    with pytest.raises(InstantiationException, match=key.split(".")[1]):
        instantiate(cfg.model, _convert_="all")


def test_text_for_a_number_fails_at_instantiation(compose_train: Compose) -> None:
    cfg = compose_train("loss.adversarial_weight=abc")
    with pytest.raises(InstantiationException, match="Expected adversarial_weight to be a number"):
        instantiate(cfg.model, _convert_="all")
