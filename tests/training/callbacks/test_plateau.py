"""Tests of the plateau's report: validations without a gain, between distortion and perception."""

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from srgan.data import SuperResolutionDataModule
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import Generator
from srgan.training import SRGAN, build_trainer
from srgan.training.callbacks import DetailDistance, LastCheckpoint, Plateau

MakeModel = Callable[..., SRGAN]
Scores = Sequence[tuple[float, float | None]]  # PSNR and distance, validation by validation


class Values:
    """A logger that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []

    def log_metrics(self, values: dict[str, int], step: int) -> None:
        self.rows.append((step, values["plateau/validations_without_gain"]))


def watch(
    plateau: Plateau,
    scores: Scores,
    *,
    first: int = 1,
    pretrain_steps: int = 0,
    adversarial: bool = True,
    rank: int = 0,
) -> list[int]:
    """Show a callback validations at steps 100, 200, … and return the values logged."""
    logger = Values()
    loss = SimpleNamespace(needs_discriminator=adversarial)
    module: Any = SimpleNamespace(pretrain_steps=pretrain_steps, generator_loss=loss)
    for number, (psnr, distance) in enumerate(scores, start=first):
        metrics = {"val/psnr_y": torch.tensor(psnr)}
        if distance is not None:
            metrics["val/detail_distance"] = torch.tensor(distance)
        trainer: Any = SimpleNamespace(
            state=SimpleNamespace(fn="fit"),
            global_step=100 * number,
            callback_metrics=metrics,
            loggers=[logger],
            is_global_zero=rank == 0,
        )
        plateau.on_validation_end(trainer, module)
    return [count for _, count in logger.rows]


@pytest.fixture
def reports(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level("INFO", logger="srgan.training.callbacks.plateau")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "srgan.training.callbacks.plateau"]


def test_a_plateau_is_reported_once_and_the_next_one_again(reports: Callable[[], list[str]]) -> None:
    plateau = Plateau(patience=2, min_psnr_gain=0.1)
    flat = [(27.0, 0.5), (27.05, 0.5), (26.0, 0.499), (27.0, 0.5)]
    assert watch(plateau, [(26.0, 0.6), *flat]) == [0, 0, 1, 2, 3]
    assert reports() == [
        "Adversarial phase: no gain since step 200 (best val/psnr_y 27.05 at step 300, best val/detail_distance 0.499"
        " at step 400); by these scores stopping would lose nothing. Training continues."
    ]
    assert watch(plateau, [(28.0, 0.5), (28.0, 0.5), (28.0, 0.5)], first=6) == [0, 1, 2]
    assert len(reports()) == 2


@pytest.mark.parametrize(
    ("scores", "counts"),
    [
        ([(27.0, 0.5), (27.2, 0.9), (27.4, 1.3)], [0, 0, 0]),  # PSNR for perception: another trade
        ([(27.0, 0.5), (26.0, 0.4), (25.0, 0.3)], [0, 0, 0]),  # and the reverse
        ([(27.0, 0.5), (26.0, 0.4), (26.05, 0.399), (26.95, 0.45)], [0, 0, 1, 0]),  # near one of both; between them
        ([(27.0, 0.5), (27.06, 0.5), (27.12, 0.5)], [0, 1, 0]),  # small steps add up
        ([(27.0, 0.5), (27.0, 0.4), (27.05, 0.45)], [0, 0, 1]),  # the first is beaten
        ([(27.0, 0.5), (math.nan, 0.1), (27.5, 0.5)], [0, 1, 0]),  # no number is no gain, and spoils nothing
    ],
)
def test_what_is_a_gain(scores: Scores, counts: list[int]) -> None:
    assert watch(Plateau(min_psnr_gain=0.1, min_perception_gain=0.01), scores) == counts


def test_adversarial_phase_starts_anew(reports: Callable[[], list[str]]) -> None:
    scores = [(27.0, 0.5), (27.0, 0.5), (27.0, 0.5), (25.0, 0.9), (25.0, 0.9), (25.0, 0.9)]
    assert watch(Plateau(patience=2), scores, pretrain_steps=300) == [0, 1, 2, 0, 1, 2]
    pretraining, adversarial = reports()
    assert pretraining.startswith("Pretraining: no gain since step 100")
    assert "the adversarial phase could start" in pretraining
    assert adversarial.startswith("Adversarial phase: no gain since step 400 (best val/psnr_y 25.00 at step 400")


def test_psnr_alone_judges_pixels_but_not_the_adversarial_phase(reports: Callable[[], list[str]]) -> None:
    scores = [(27.0, None), (27.0, None), (27.0, None)]
    assert watch(Plateau(patience=2), scores, pretrain_steps=2000) == [0, 1, 2]
    assert "(best val/psnr_y 27.00 at step 100);" in reports()[0]
    assert watch(Plateau(patience=2), scores, adversarial=False) == [0, 1, 2]
    assert watch(Plateau(patience=2), scores) == []  # where PSNR falls by design, it would call for stopping at once
    assert len(reports()) == 2


def test_only_the_first_process_speaks(reports: Callable[[], list[str]]) -> None:
    assert watch(Plateau(patience=1), [(27.0, 0.5)] * 2, rank=1) == [0, 1]
    assert reports() == []


@pytest.mark.parametrize("argument", [{"patience": 0}, {"min_psnr_gain": -0.1}, {"min_perception_gain": -0.1}])
def test_senseless_argument_is_refused(argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"callbacks\.plateau\.{next(iter(argument))} of [01] or more, got"):
        Plateau(**argument)


def test_a_resumed_run_goes_on_waiting(
    make_model: MakeModel, photos: Path, tmp_path: Path, reports: Callable[[], list[str]]
) -> None:
    """With learning rates of 0 nothing after the first validation is a gain."""
    last = tmp_path / "last.ckpt"

    def fit(steps: int, ckpt_path: Path | None) -> list[int]:
        logger = CSVLogger(tmp_path, name="csv", version=steps)
        trainer = build_trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            val_check_interval=1,
            callbacks=[DetailDistance(), Plateau(patience=3), LastCheckpoint(dirpath=tmp_path, every_n_steps=100)],
            logger=[logger],
            default_root_dir=tmp_path,
        )
        data = SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2, val_fraction=0.4)
        model = make_model(
            generator=Generator(num_blocks=1, channels=4, norm="none"),
            generator_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
            discriminator_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        )
        trainer.fit(model, data, ckpt_path=ckpt_path, weights_only=True)
        with (Path(logger.log_dir) / "metrics.csv").open(encoding="utf-8") as file:
            counts = [row.get("plateau/validations_without_gain") for row in csv.DictReader(file)]
        return [int(float(count)) for count in counts if count]

    assert fit(2, None) == [0, 1]
    assert reports() == []
    assert fit(5, last) == [2, 3, 4]
    assert [report.split(" (")[0] for report in reports()] == ["Adversarial phase: no gain since step 1"]


def test_detail_distance_is_content_loss_of_the_busiest_window(
    make_model: MakeModel, photos: Path, tmp_path: Path
) -> None:
    trainer = build_trainer(
        max_steps=1, accelerator="cpu", devices=1, callbacks=[DetailDistance(window_size=32)], default_root_dir=tmp_path
    )
    data = SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2, val_fraction=0.4)
    model = make_model()
    trainer.validate(model, data, verbose=False)
    content, expected = ContentLoss(layer="vgg22", weights="random"), []
    for batch in data.test_dataloader():
        hr, sr = batch["hr"], model.eval()(batch["lr"]).detach().clamp(0, 1)
        coarse = torch.nn.functional.avg_pool2d(hr.mean(1, keepdim=True), 5, 1, 2, count_include_pad=False)
        fine = (hr.mean(1, keepdim=True) - coarse).abs()
        places = [(y, x) for y in range(0, 33, 16) for x in range(0, 49, 16)]
        y, x = max(
            places, key=lambda place: float(fine[0, 0, place[0] : place[0] + 32, place[1] : place[1] + 32].sum())
        )
        expected.append(float(content(sr[..., y : y + 32, x : x + 32], hr[..., y : y + 32, x : x + 32])))
    assert len(expected) == 2
    assert float(trainer.callback_metrics["val/detail_distance"]) == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_nothing_is_measured_without_a_content_loss(make_model: MakeModel, photos: Path, tmp_path: Path) -> None:
    loss = GeneratorLoss(content=None, content_weight=0, pixel_weight=1, adversarial_weight=0)
    trainer = build_trainer(
        max_steps=1, accelerator="cpu", devices=1, callbacks=[DetailDistance()], default_root_dir=tmp_path
    )
    data = SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2, val_fraction=0.4)
    trainer.validate(make_model(generator_loss=loss), data, verbose=False)
    assert "val/psnr_y" in trainer.callback_metrics
    assert "val/detail_distance" not in trainer.callback_metrics
    with pytest.raises(ValueError, match="window_size of 32 or more, got 16"):
        DetailDistance(window_size=16)
