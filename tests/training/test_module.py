"""Tests of the two-phase training: who learns when, what a step is, what is logged and saved."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn

from srgan.data import SuperResolutionDataModule
from srgan.evaluation.metrics import score
from srgan.losses import ContentLoss, GeneratorLoss
from srgan.networks import Generator, UNetDiscriminator
from srgan.training import SRGAN, build_trainer
from srgan.training.schedules import step_decay, warmup_cosine

MakeModel = Callable[..., SRGAN]


class Recorder(Callback):
    """Copies of both networks before each optimizer's step and after each batch, and the logged values."""

    def __init__(self) -> None:
        self.before_step: list[tuple[str, dict[str, Tensor]]] = []
        self.after_batch: list[dict[str, Tensor]] = []
        self.logged: list[dict[str, float]] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        phase = "generator" if optimizer is trainer.optimizers[0] else "discriminator"
        self.before_step.append((phase, parameters(pl_module)))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.after_batch.append(parameters(pl_module))
        self.logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor], network: str) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before if name.startswith(f"{network}."))


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


def test_micro_batches_make_the_same_step(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    finals = []
    for num_micro_batches in (1, 2):
        generator = Generator(num_blocks=1, channels=4, norm="none")  # BatchNorm sees the pieces, and so differs
        torch.manual_seed(0)
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.1)
        descent = partial(torch.optim.SGD, lr=0.1)  # Adam would amplify the rounding of vanishing gradients
        model = make_model(
            generator=generator, generator_optimizer=descent, num_micro_batches=num_micro_batches, pretrain_steps=3
        )
        fit(model, steps=3)
        finals.append(parameters(model.generator))
    for name, value in finals[0].items():
        torch.testing.assert_close(finals[1][name], value, atol=1e-6, rtol=1e-4)


def test_a_batch_that_cannot_be_cut_is_refused(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size to be a multiple of model\.num_micro_batches=3, got 2"):
        fit(make_model(num_micro_batches=3), steps=1)


@pytest.mark.parametrize("num_micro_batches", [1, 2])
def test_half_precision_trains_both_phases(
    make_model: MakeModel, fit: Callable[..., Trainer], num_micro_batches: int
) -> None:
    recorder = Recorder()
    model = make_model(pretrain_steps=1, num_micro_batches=num_micro_batches, generator_clip_norm=0.1)
    trainer = fit(model, steps=3, callbacks=(recorder,), precision="bf16-mixed")
    assert trainer.global_step == 3
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert all(math.isfinite(value) for logged in recorder.logged for value in logged.values())
    assert changed(recorder.after_batch[0], recorder.after_batch[-1], "discriminator")


@pytest.mark.parametrize("fused", [False, True])
def test_float16_overflow_lowers_the_gradient_scale_only(make_model: MakeModel, photos: Path, fused: bool) -> None:
    adam = partial(torch.optim.Adam, lr=1e-3, fused=fused)
    model = make_model(pretrain_steps=30, generator_optimizer=adam, discriminator_optimizer=adam)
    recorder = Recorder()
    faults: list[str] = []

    class Faults(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
            faults.extend(phase for phases in model.non_finite_phases.values() for phase in phases)

    trainer = build_trainer(max_steps=60, accelerator="cpu", devices=1, callbacks=[recorder, Faults()])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    trainer.strategy.precision_plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    trainer.fit(model, datamodule=SuperResolutionDataModule(root=photos, hr_crop_size=32, batch_size=2))
    assert scaler.get_scale() < 2.0**40
    first, last = recorder.after_batch[0], recorder.after_batch[-1]
    assert not changed(recorder.before_step[0][1], first, "generator")  # too large: the first step was skipped
    assert all(changed(first, last, network) for network in ("generator", "discriminator"))  # the scale was found
    assert trainer.callback_metrics["train/generator_gradient_norm"] < 100  # without the scale of thousands
    assert not faults


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # torch's own look
def test_compiled_networks_make_the_same_steps(make_model: MakeModel, fit: Callable[..., Trainer]) -> None:
    finals = []
    for compile_networks in (False, True):
        torch.manual_seed(0)
        generator = Generator(num_blocks=1, channels=4, norm="batch", global_skip="none")
        model = make_model(generator=generator, pretrain_steps=1, compile_networks=compile_networks)
        fit(model, steps=3, precision="64-true")  # where rounding cannot be taken for another result, or hide one
        finals.append(model.state_dict())
    torch.testing.assert_close(finals[1], finals[0], rtol=1e-6, atol=1e-8)


def test_checkpoint_holds_plain_values_and_no_vgg(
    make_model: MakeModel, fit: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = fit(make_model(), steps=1)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 1
    assert checkpoint["generator_config"]["num_blocks"] == 1
    assert {name.split(".")[0] for name in checkpoint["state_dict"]} == {"generator", "discriminator"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrain_steps": -1}, r"Expected model\.pretrain_steps of 0 or more, got -1"),
        ({"window_shift": -1}, r"Expected model\.window_shift of 0 or more, got -1"),
        ({"generator_clip_norm": 0.0}, r"Expected model\.generator_clip_norm above 0"),
    ],
)
def test_settings_without_sense_are_refused(make_model: MakeModel, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**changes)


@pytest.mark.parametrize("gan", ["relativistic", "lsgan", "hinge"])
def test_every_game_trains_both_networks(make_model: MakeModel, fit: Callable[..., Trainer], gan: str) -> None:
    loss = GeneratorLoss(content=None, content_weight=0, adversarial_weight=1.0, gan=gan, r1_weight=1.0)  # type: ignore[arg-type]
    model, recorder = make_model(generator_loss=loss), Recorder()
    before = parameters(model)
    fit(model, steps=1, callbacks=(recorder,))
    assert changed(before, parameters(model), "generator")
    assert changed(before, parameters(model), "discriminator")
