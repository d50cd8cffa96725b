"""Tests of conf/: every file composes and builds what it names, and a wrong key is refused."""

import re
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from urllib.error import URLError

import pytest
from hydra.errors import ConfigCompositionException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from srgan.data import SuperResolutionDataModule
from srgan.training import SRGAN

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
        if option != "from_file"  # which needs one: test_train.py
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


@pytest.mark.parametrize("preset", options("debug"))
@pytest.mark.parametrize("loss", options("loss"))
def test_every_debug_preset_builds(compose_train: Compose, preset: str, loss: str) -> None:
    cfg = compose_train(f"debug={preset}", f"loss={loss}", tiny=False)
    assert set(cfg.logger) == {"csv"}
    model, trainer = (instantiate(cfg[key], _convert_="all") for key in ("model", "trainer"))
    assert model.pretrain_steps <= trainer.max_steps
    assert model.generator_loss.content is None or model.generator_loss.content.weights_used == "random"


@pytest.mark.parametrize("slot", ["pretrain_schedule", "generator_schedule", "discriminator_schedule"])
@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_schedule_fits_every_slot(compose_train: Compose, slot: str, schedule: str) -> None:
    cfg = compose_train(f"schedule@model.{slot}={schedule}")
    assert instantiate(cfg.model[slot])(0, 100) > 0


@pytest.fixture
def downloads(tmp_path: Path, photos: Path) -> Path:
    """A folder with all collections, as if they had been downloaded and unpacked: three photos each."""
    for name in ("DIV2K_train_HR", "DIV2K_valid_HR", "Flickr2K/Flickr2K_HR", "benchmark/Set5/HR"):
        (tmp_path / name).mkdir(parents=True)
        for path in sorted(photos.iterdir())[:3]:
            shutil.copy(path, tmp_path / name)
    lr_names = ("DIV2K_train_LR_bicubic", "DIV2K_valid_LR_bicubic", "Flickr2K/Flickr2K_LR_bicubic")
    for name in (*lr_names, "benchmark/Set5/LR_bicubic"):
        (tmp_path / name / "X4").mkdir(parents=True)
        for seed in range(3):
            Image.new("RGB", (20, 16), (seed, 0, 0)).save(tmp_path / name / "X4" / f"photo_{seed}x4.png")
    for name in ("Set14", "B100", "Urban100"):
        shutil.copytree(tmp_path / "benchmark" / "Set5", tmp_path / "benchmark" / name)
    return tmp_path


@pytest.mark.parametrize("data", options("data"))
def test_every_data_source_builds(compose_train: Compose, photos: Path, downloads: Path, data: str) -> None:
    roots = {"paired": [f"data.root={photos}", f"data.lr_root={photos}"], "folder": [f"data.root={photos}"]}
    cfg = compose_train(f"data={data}", *roots.get(data, []), f"download_dir={downloads}", tiny=False)
    assert isinstance(instantiate(cfg.data, _convert_="all"), SuperResolutionDataModule)


def test_folders_are_mixed_from_the_command_line(compose_train: Compose, downloads: Path) -> None:
    one, other = downloads / "DIV2K_train_HR", downloads / "DIV2K_valid_HR"
    for roots in (f"[{one},{other}]", f"{{{one}:3,{other}:0.5}}"):
        data = instantiate(compose_train(f"data.root={roots}").data, _convert_="all")
        data.setup("fit")
        names = {batch["name"][0].split("/")[0] for batch in islice(data.train_dataloader(), 20)}
        assert names == {one.name, other.name}


def test_official_lr_is_used_where_it_is_asked_for(compose_train: Compose, downloads: Path) -> None:
    small = (f"download_dir={downloads}", "data.hr_crop_size=32", "data.num_workers=0")
    collections = {"div2k": {"photo"}, "df2k": {"DIV2K_train_HR", "Flickr2K_HR"}}
    for data, labels in collections.items():
        made, official = (
            instantiate(compose_train(f"data={data}{suffix}", *small, tiny=False).data, _convert_="all")
            for suffix in ("", "_official_lr")
        )
        for each, is_flat in ((made, False), (official, True)):
            each.setup("fit")
            batch = next(iter(each.train_dataloader()))
            assert {
                re.split("[/_]", name)[0] if data == "div2k" else name.split("/")[0] for name in batch["name"]
            } == labels
            assert all(
                bool(lr[1:].max() == 0) is is_flat for lr in [*batch["lr"], next(iter(each.val_dataloader()))["lr"][0]]
            )


@pytest.mark.parametrize("data", ["div2k", "flickr2k", "df2k", "div2k_official_lr"])
def test_a_collection_is_mixed_with_own_photos(
    compose_train: Compose, downloads: Path, photos: Path, data: str
) -> None:
    mine = ["+data.root.mine=" + str(photos), "+data.root.weights.mine=1000"]
    partners = ["+data.lr_root.mine=null"] if data.endswith("lr") else []
    small = (f"download_dir={downloads}", "data.hr_crop_size=32", "data.num_workers=0", "data.batch_size=10")
    module = instantiate(compose_train(f"data={data}", *mine, *partners, *small, tiny=False).data, _convert_="all")
    module.setup("fit")
    names = [name for batch in islice(module.train_dataloader(), 5) for name in batch["name"]]
    assert sum(name.startswith(photos.name) for name in names) > 40
    others = {name.split("/")[0] for name in names} - {photos.name}
    assert others <= {"DIV2K_train_HR", "Flickr2K_HR"}


@pytest.mark.parametrize("benchmark", options("benchmark"))
def test_every_benchmark_is_found_where_it_was_downloaded(
    compose_train: Compose, downloads: Path, benchmark: str
) -> None:
    cfg = compose_train(f"benchmark={benchmark}", f"download_dir={downloads}", "data=sample", tiny=False)
    data = instantiate(cfg.data, _convert_="all")
    data.setup("test")
    batches = list(data.test_dataloader())
    assert [batch["name"] for batch in batches] == [[f"photo_{seed}.png"] for seed in range(3)]
    assert all(batch["lr"][:, 1:].max() == 0 for batch in batches)  # its own LR, and not made here


@pytest.mark.parametrize("archive", options("archive"))
def test_every_archive_says_where_from_and_where_to(compose_train: Compose, archive: str) -> None:
    cfg = compose_train(f"+archive@download={archive}", "download_dir=/photos", tiny=False).download
    assert cfg.archive.url.startswith("https://")
    assert cfg.folder == "/photos"
    assert len(cfg.archive.get("sha256", 64 * "0")) == 64


def test_without_a_network_a_download_says_what_to_do(
    compose_train: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("srgan.data.download.transfer.urlopen", closed)
    monkeypatch.setattr("srgan.data.download.transfer._PAUSE", 0.0)
    cfg = compose_train("data=div2k", f"download_dir={tmp_path}", tiny=False)
    with pytest.raises(InstantiationException) as error:
        instantiate(cfg.data, _convert_="all")
    for part in ("DIV2K_train_HR.zip: Name or service not known", "3530603713 bytes", "sha256 9d0b9c4", str(tmp_path)):
        assert part in str(error.value.__cause__)


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


def test_an_experiment_gives_way_to_other_options(compose_train: Compose, photos: Path) -> None:
    for experiment in ("release_pixel", "release_gan"):
        cfg = compose_train(f"experiment={experiment}", "data/augmentation=none", f"data.root={photos}", tiny=False)
        assert isinstance(instantiate(cfg.data, _convert_="all"), SuperResolutionDataModule)
    cfg = compose_train("experiment=quickstart", "loss=pixel", tiny=False)
    assert instantiate(cfg.model, _convert_="all").generator_loss.content is None


@pytest.mark.parametrize(
    ("override", "section"),
    [
        ("+data.augmentation.colour_jitter=0.2", "data"),
        ("+data.degradation.blur_probability=0.2", "data"),
        ("loss=pixel", "model"),
    ],
)
def test_settings_of_what_is_not_there_are_refused(compose_train: Compose, override: str, section: str) -> None:
    content = ("+loss.content.criterion=l1",) if section == "model" else ()
    cfg = compose_train(override, *content)
    with pytest.raises(InstantiationException, match=r"got only settings: .*null for none") as error:
        instantiate(cfg[section], _convert_="all")
    assert isinstance(error.value.__cause__, ValueError)


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
