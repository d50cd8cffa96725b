"""The LightningModule: both networks, trained in turn with manual optimization (Ledig et al. 2017, arXiv:1609.04802).

A step is one batch. For the first ``pretrain_steps`` the generator learns from the pixel loss alone; after that each
step has two phases: the discriminator alone, then the generator alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from srgan.losses import GeneratorLoss, discriminator_loss
from srgan.metrics import score
from srgan.schedules import Schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]

_SCORES = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")


class SRGAN(LightningModule):
    """Super-resolution GAN.

    Args:
        generator: LR to SR; a ``srgan.networks.Generator``.
        discriminator: Picture to logit; a ``srgan.networks.Discriminator``.
        generator_loss: The generator's weighted losses.
        generator_optimizer: Makes the generator's optimizer from its parameters.
        discriminator_optimizer: Makes the discriminator's.
        pretrain_schedule: Factor on the generator's learning rate while pretraining.
        generator_schedule: Factor on the generator's learning rate in the adversarial phase.
        discriminator_schedule: Factor on the discriminator's.
        pretrain_steps: Steps of pixel loss alone before the adversarial phase: the paper's SRResNet.
        adversarial_ramp_steps: Steps over which the adversarial weight then rises to its full value.
        generator_clip_norm: Largest norm of the generator's gradient; None leaves it as it is.
        discriminator_clip_norm: Largest norm of the discriminator's.

    Raises:
        ValueError: If a count is negative or a norm not positive.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        generator_loss: GeneratorLoss,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        pretrain_schedule: Schedule,
        generator_schedule: Schedule,
        discriminator_schedule: Schedule,
        pretrain_steps: int = 0,
        adversarial_ramp_steps: int = 0,
        generator_clip_norm: float | None = None,
        discriminator_clip_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        for name, steps in (("pretrain_steps", pretrain_steps), ("adversarial_ramp_steps", adversarial_ramp_steps)):
            if steps < 0:
                raise ValueError(f"Expected model.{name} of 0 or more, got {steps}.")
        for name, norm in (("generator", generator_clip_norm), ("discriminator", discriminator_clip_norm)):
            if norm is not None and norm <= 0:
                raise ValueError(f"Expected model.{name}_clip_norm above 0, or null for no clipping, got {norm}.")
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.generator_loss = generator_loss
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        self.pretrain_schedule = pretrain_schedule
        self.generator_schedule, self.discriminator_schedule = generator_schedule, discriminator_schedule
        self.pretrain_steps = pretrain_steps
        self.adversarial_ramp_steps = adversarial_ramp_steps
        self.clip_norms = {"generator": generator_clip_norm, "discriminator": discriminator_clip_norm}
        self._noted: dict[str, Tensor | float] = {}
        self.val_scores = nn.ModuleDict({name: MeanMetric() for name in _SCORES})

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge pictures: float RGB in [0, 1], (N, 3, h, w) → (N, 3, scale * h, scale * w), not clamped."""
        sr: Tensor = self.generator(lr)
        return sr

    @property
    def is_pretraining(self) -> bool:
        """Whether the current step still belongs to the pretraining."""
        return self.global_step < self.pretrain_steps

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """One batch: the pretraining's step, or the two phases of the adversarial training."""
        lr = batch["lr"].contiguous(memory_format=torch.channels_last)
        hr = batch["hr"].contiguous(memory_format=torch.channels_last)
        if self.global_step == self.pretrain_steps:
            self._forget_pretraining()
        self._set_learning_rates()
        sr = self.generator(lr)  # one forward pass serves both phases: the first does not change the generator
        if self.is_pretraining:
            self._pretrain_step(sr, hr)
        else:
            if self.generator_loss.needs_discriminator:
                self._discriminator_step(sr.detach(), hr)
            self._generator_step(sr, hr)
        # All at once: Lightning forgets a step's first values when another hook logs in between.
        self.log_dict(self._noted)
        self._noted = {}

    def _pretrain_step(self, sr: Tensor, hr: Tensor) -> None:
        pixel_loss = self.generator_loss.pixel(sr, hr)
        self._update_generator(pixel_loss)
        self._note(generator_loss=pixel_loss, pixel_loss=pixel_loss)

    def _discriminator_step(self, sr: Tensor, hr: Tensor) -> None:
        """Phase 1: the discriminator alone learns to tell hr (1) from sr (0)."""
        # Two passes, not one over both: BatchNorm must see real and fake pictures apart, as the paper's does.
        real_logits, fake_logits = self.discriminator(hr), self.discriminator(sr)
        loss = discriminator_loss(real_logits, fake_logits)
        optimizer = self._optimizers()[1]
        optimizer.zero_grad()
        self.manual_backward(loss)
        # Stepped through the strategy, which is what LightningOptimizer.step does less the counting: Lightning's
        # global_step then counts generator updates alone, and max_steps, checkpoints and loggers agree on a step.
        self.trainer.strategy.optimizer_step(optimizer.optimizer, do_nothing_closure)
        self._note(
            discriminator_loss=loss,
            real_probability=real_logits.sigmoid().mean(),
            fake_probability=fake_logits.sigmoid().mean(),
        )

    def _generator_step(self, sr: Tensor, hr: Tensor) -> None:
        """Phase 2: the generator alone learns to please the losses, all labels 1."""
        with _frozen(self.discriminator):
            fake_logits = self.discriminator(sr) if self.generator_loss.needs_discriminator else None
            terms = self.generator_loss.terms(sr, hr, fake_logits)
            loss = self.generator_loss.total(terms, adversarial_ramp=self._adversarial_ramp())
            self._update_generator(loss)
        self._note(generator_loss=loss, **terms)

    def _update_generator(self, loss: Tensor) -> None:
        optimizer = self._optimizers()[0]
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip and log the gradient's norm; a gradient scaler has already unscaled it here."""
        is_generator = optimizer is self._optimizers()[0].optimizer
        name = "generator" if is_generator else "discriminator"
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.clip_norms[name] or float("inf"))
        self._note(**{f"{name}_gradient_norm": norm})

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Score one picture and hand it to the callbacks."""
        lr, hr = batch["lr"], batch["hr"]
        sr = self.forward(lr).float().clamp(0, 1)
        for name, value in score(sr, hr, crop_border=hr.shape[-1] // lr.shape[-1]).items():
            self._score_mean(name).update(value)
        return sr

    def on_validation_epoch_end(self) -> None:
        """Log the mean over the pictures of all processes."""
        for name in _SCORES:
            # As an object, which Lightning sums over the processes, computes and resets.
            self.log(f"val/{name}", self._score_mean(name), prog_bar=name == "psnr_y")

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        """The generator's optimizer and the discriminator's; their rates are set step by step above."""
        return (
            self.generator_optimizer(self.generator.parameters()),
            self.discriminator_optimizer(self.discriminator.parameters()),
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the architecture as plain values, so that predict.py can build the generator from the file alone."""
        checkpoint["generator_config"] = self.generator.config

    def _score_mean(self, name: str) -> MeanMetric:
        metric = self.val_scores[name]
        assert isinstance(metric, MeanMetric)
        return metric

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return [o for o in optimizers if isinstance(o, LightningOptimizer)]

    def _forget_pretraining(self) -> None:
        # Adam's moments are those of another loss of another size: its first adversarial steps would be far too long.
        self._optimizers()[0].optimizer.state.clear()

    def _set_learning_rates(self) -> None:
        step, max_steps = self.global_step, self.trainer.max_steps
        for name, optimizer in zip(("generator", "discriminator"), self._optimizers(), strict=True):
            if self.is_pretraining:
                factor = self.pretrain_schedule(step, min(self.pretrain_steps, max_steps))
            else:
                schedule = self.generator_schedule if name == "generator" else self.discriminator_schedule
                factor = schedule(step - self.pretrain_steps, max_steps - self.pretrain_steps)
            learning_rate = optimizer.defaults["lr"] * factor
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            self._note(**{f"{name}_learning_rate": learning_rate})

    def _adversarial_ramp(self) -> float:
        steps_done = self.global_step - self.pretrain_steps + 1
        return min(1.0, steps_done / self.adversarial_ramp_steps) if self.adversarial_ramp_steps else 1.0

    def _note(self, **values: Tensor | float) -> None:
        """Keep values of this step for the log."""
        for name, value in values.items():
            self._noted[f"train/{name}"] = value.detach() if isinstance(value, Tensor) else value


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network's parameters out of the backward pass, though gradients flow through it to its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
