"""Tests of the two-phase training: who learns when, what a step is, what is logged and saved."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from srgan.evaluation.metrics import score
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import UNetDiscriminator
from srgan.training import SRGAN
from srgan.training.schedules import step_decay, warmup_cosine
from tests.training.watched import Recorder, changed, parameters

MakeModel = Callable[..., SRGAN]


def test_each_phase_changes_its_own_network_alone(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    model, recorder = make_model(), Recorder()
    initial = parameters(model)
    fit(model, steps=1, callbacks=(recorder,))
    (first, _), (second, between) = recorder.before_step
    assert (first, second) == ("discriminator", "generator")
    assert changed(initial, between, "discriminator")
    assert not changed(initial, between, "generator")
    (after,) = recorder.after_batch
    assert changed(between, after, "generator")
    assert not changed(between, after, "discriminator")


def test_pretraining_leaves_the_discriminator_as_it_is(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    model = make_model(pretrain_steps=2)
    before = {name: value.clone() for name, value in model.discriminator.state_dict().items()}
    generator_before = parameters(model)
    fit(model, steps=2)
    assert changed(generator_before, parameters(model), "generator")
    assert all(torch.equal(value, before[name]) for name, value in model.discriminator.state_dict().items())


def test_a_step_is_a_batch_in_both_phases(make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path) -> None:
    model, recorder = make_model(pretrain_steps=2), Recorder()
    trainer = fit(model, steps=5, callbacks=(recorder,), logger=(CSVLogger(tmp_path, name="csv"),))
    assert trainer.global_step == 5
    assert len(recorder.after_batch) == 5
    assert [phase for phase, _ in recorder.before_step] == ["generator"] * 2 + ["discriminator", "generator"] * 3
    rows = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text().splitlines()
    step_column = rows[0].split(",").index("step")
    assert {int(row.split(",")[step_column]) for row in rows[1:]} == {0, 1, 2, 3, 4}


def test_the_generator_runs_once_a_step(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    model, calls = make_model(), []
    model.generator.register_forward_hook(lambda *_: calls.append(model.generator.training))
    fit(model, steps=3)
    assert calls.count(True) == 3


def test_adversarial_phase_starts_with_fresh_moments(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    trainer = fit(make_model(pretrain_steps=3), steps=5)
    for optimizer in trainer.optimizers:
        assert {int(state["step"]) for state in optimizer.state.values()} == {2}


def test_losses_probabilities_norms_and_rates_are_logged(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    recorder = Recorder()
    content = ContentLoss(layer="vgg22", weights="random")
    loss = GeneratorLoss(content=content, adversarial_weight=0.5, pixel_weight=2.0, pixel_criterion="l1")
    fit(make_model(generator_loss=loss, pretrain_steps=1), steps=2, callbacks=(recorder,))
    pretraining, adversarial = recorder.logged
    assert pretraining["train/generator_loss"] == pretraining["train/pixel_loss"] > 0
    weighted = (
        adversarial["train/content_loss"]
        + 0.5 * adversarial["train/adversarial_loss"]
        + 2 * adversarial["train/pixel_loss"]
    )
    assert adversarial["train/generator_loss"] == pytest.approx(weighted)
    assert adversarial["train/discriminator_loss"] > 0
    assert 0 < adversarial["train/real_probability"] < 1
    assert 0 < adversarial["train/fake_probability"] < 1
    for network in ("generator", "discriminator"):
        assert adversarial[f"train/{network}_gradient_norm"] > 0
        assert adversarial[f"train/{network}_learning_rate"] == pytest.approx(1e-3)


def test_gradients_are_clipped_per_network(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    recorder, plain_descent = Recorder(), partial(torch.optim.SGD, lr=1.0)  # moves by the gradient itself
    model = make_model(
        generator_optimizer=plain_descent,
        discriminator_optimizer=plain_descent,
        generator_clip_norm=1e-4,
        discriminator_clip_norm=1e-2,
    )
    before = parameters(model)
    fit(model, steps=1, callbacks=(recorder,))
    for network, norm in (("generator", 1e-4), ("discriminator", 1e-2)):
        moves = [recorder.after_batch[0][name] - before[name] for name in before if name.startswith(network)]
        assert float(nn.utils.get_total_norm(moves)) == pytest.approx(norm, rel=1e-2)


def test_learning_rates_follow_their_schedules(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    recorder = Recorder()
    model = make_model(
        pretrain_steps=2,
        pretrain_schedule=partial(warmup_cosine, warmup=0.5),
        generator_schedule=partial(step_decay, milestones=[0.5]),
    )
    fit(model, steps=6, callbacks=(recorder,))
    rates = [logged["train/generator_learning_rate"] for logged in recorder.logged]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4])
    assert recorder.logged[-1]["train/discriminator_learning_rate"] == pytest.approx(1e-3)


def test_adversarial_weight_ramps_up(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    recorder = Recorder()
    loss = GeneratorLoss(content=None, content_weight=0, adversarial_weight=1.0)
    fit(make_model(generator_loss=loss, adversarial_ramp_steps=4), steps=5, callbacks=(recorder,))
    shares = [logged["train/generator_loss"] / logged["train/adversarial_loss"] for logged in recorder.logged]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_losses_see_windows_at_every_place_in_turn(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    class Watched(GeneratorLoss):
        def terms(
            self, sr: Tensor, hr: Tensor, fake_logits: Tensor | None, real_logits: Tensor | None = None
        ) -> dict[str, Tensor]:
            seen.append((sr.detach(), hr))
            return super().terms(sr, hr, fake_logits, real_logits)

    class Batches(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, _: int) -> None:
            originals.append(batch["hr"])

    originals: list[Tensor] = []
    judged: list[tuple[int, ...]] = []
    loss = Watched(content=None, content_weight=0, adversarial_weight=1, pixel_weight=1)
    model = make_model(generator_loss=loss, discriminator=UNetDiscriminator(channels=2), window_shift=4)
    model.discriminator.register_forward_pre_hook(lambda _, inputs: judged.append(tuple(inputs[0].shape)))
    fit(model, steps=6, callbacks=(Batches(),), hr_crop_size=36)
    places = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1)]
    for (top, left), original, (sr, hr) in zip(places, originals, seen, strict=True):
        assert torch.equal(hr, original[..., top : top + 32, left : left + 32])
        assert sr.shape == hr.shape
    assert set(judged) == {(2, 3, 32, 32)}


def test_without_adversarial_weight_the_discriminator_rests(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    loss = GeneratorLoss(content=None, content_weight=0, adversarial_weight=0, pixel_weight=1)
    model = make_model(generator_loss=loss)
    before = parameters(model)
    fit(model, steps=2)
    assert changed(before, parameters(model), "generator")
    assert not changed(before, parameters(model), "discriminator")


def test_validation_logs_the_mean_of_per_picture_scores(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    model = make_model()
    trainer = fit(model, steps=1)
    model.eval()
    scores = []
    for batch in trainer.datamodule.val_dataloader():  # type: ignore[attr-defined] # set by fit
        with torch.no_grad():
            scores.append(score(model(batch["lr"]).clamp(0, 1), batch["hr"], crop_border=4))
    assert len(scores) == 2
    for name in scores[0]:
        mean = sum(each[name] for each in scores) / len(scores)
        assert float(trainer.callback_metrics[f"val/{name}"]) == pytest.approx(mean, rel=1e-5)


def test_the_moving_average_is_what_is_validated(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    model = make_model(ema_decay=0.9)
    fit(model, steps=3)
    assert model.average is not None
    lr = torch.rand(1, 3, 8, 8)
    model.eval()
    torch.testing.assert_close(model(lr), model.average.module(lr))
    assert not torch.allclose(model(lr), model.generator(lr))


def test_checkpoint_holds_plain_values_and_no_vgg(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = fit(make_model(), steps=1)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 1
    assert checkpoint["generator_config"]["num_blocks"] == 1
    assert {name.split(".")[0] for name in checkpoint["state_dict"]} == {"generator", "discriminator"}
