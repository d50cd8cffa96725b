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

from srgan.average import moving_average
from srgan.health import checkerboard, colour_drift
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
        ema_decay: Share of the generator's moving average that stays at each step; None keeps no average. The average
            is what is validated and exported.
        num_micro_batches: Pieces to compute a batch in, for batches that do not fit in memory. The step stays one
            update; each phase then runs the generator itself, and BatchNorm sees the pieces one by one.

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
        ema_decay: float | None = None,
        num_micro_batches: int = 1,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        for name, steps in (("pretrain_steps", pretrain_steps), ("adversarial_ramp_steps", adversarial_ramp_steps)):
            if steps < 0:
                raise ValueError(f"Expected model.{name} of 0 or more, got {steps}.")
        for name, norm in (("generator", generator_clip_norm), ("discriminator", discriminator_clip_norm)):
            if norm is not None and norm <= 0:
                raise ValueError(f"Expected model.{name}_clip_norm above 0, or null for no clipping, got {norm}.")
        if num_micro_batches < 1:
            raise ValueError(f"Expected model.num_micro_batches of 1 or more, got {num_micro_batches}.")
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.average = None if ema_decay is None else moving_average(self.generator, ema_decay)
        self.generator_loss = generator_loss
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        self.pretrain_schedule = pretrain_schedule
        self.generator_schedule, self.discriminator_schedule = generator_schedule, discriminator_schedule
        self.pretrain_steps = pretrain_steps
        self.adversarial_ramp_steps = adversarial_ramp_steps
        self.clip_norms = {"generator": generator_clip_norm, "discriminator": discriminator_clip_norm}
        self.num_micro_batches = num_micro_batches
        self.learning_rate_scale = 1.0  # lowered where training had to be rolled back
        self.non_finite_phases: list[str] = []  # phases of the last step whose gradient was dropped
        self._noted: dict[str, Tensor | float] = {}
        self.val_scores = nn.ModuleDict({name: MeanMetric() for name in _SCORES})

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge pictures: float RGB in [0, 1], (N, 3, h, w) → (N, 3, scale * h, scale * w), not clamped."""
        sr: Tensor = self.evaluated_generator(lr)
        return sr

    @property
    def evaluated_generator(self) -> nn.Module:
        """The generator to validate, export and predict with: the moving average where there is one."""
        return self.generator if self.average is None else self.average.module

    @property
    def is_pretraining(self) -> bool:
        """Whether the current step still belongs to the pretraining."""
        return self.global_step < self.pretrain_steps

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """One batch: the pretraining's step, or the two phases of the adversarial training."""
        if self.global_step == self.pretrain_steps:
            self._forget_pretraining()
        self._set_learning_rates()
        self.non_finite_phases = []
        pairs = self._micro_batches(batch)
        statistics = [buffer.clone() for buffer in self.buffers()]
        # One generator forward serves both phases, since the first does not change the generator. In micro-batches,
        # whose point is not to keep all of that in memory, each phase makes its own.
        shared_sr = self.generator(pairs[0][0]) if len(pairs) == 1 else None
        if self.is_pretraining:
            self._update(0, (self._pretrain_loss(lr, hr, shared_sr) for lr, hr in pairs))
        else:
            if self.generator_loss.needs_discriminator:
                self._update(1, (self._discriminator_phase(lr, hr, shared_sr) for lr, hr in pairs))
            with _frozen(self.discriminator):
                self._update(0, (self._generator_phase(lr, hr, shared_sr) for lr, hr in pairs))
        if self.non_finite_phases:
            # The optimizers did not move; BatchNorm's running statistics must forget the step as well.
            for buffer, before in zip(self.buffers(), statistics, strict=True):
                buffer.copy_(before)
        elif self.average is not None:
            self.average.update_parameters(self.generator)
        # All at once: Lightning forgets a step's first values when another hook logs in between.
        self.log_dict(self._noted)
        self._noted = {}

    def _pretrain_loss(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        sr = self.generator(lr) if shared_sr is None else shared_sr
        self._watch(sr, lr)
        pixel_loss = self.generator_loss.pixel(sr, hr)
        self._note(generator_loss=pixel_loss, pixel_loss=pixel_loss)
        return pixel_loss

    def _discriminator_phase(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        """Phase 1: the discriminator alone learns to tell hr (1) from sr (0)."""
        with torch.no_grad():
            sr = self.generator(lr) if shared_sr is None else shared_sr.detach()
        # Two passes, not one over both: BatchNorm must see real and fake pictures apart, as the paper's does.
        real_logits, fake_logits = self.discriminator(hr), self.discriminator(sr)
        loss = discriminator_loss(real_logits, fake_logits)
        self._note(
            discriminator_loss=loss,
            real_probability=real_logits.sigmoid().mean(),
            fake_probability=fake_logits.sigmoid().mean(),
        )
        return loss

    def _generator_phase(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        """Phase 2: the generator alone learns to please the losses, all labels 1."""
        sr = self.generator(lr) if shared_sr is None else shared_sr
        self._watch(sr, lr)
        fake_logits = self.discriminator(sr) if self.generator_loss.needs_discriminator else None
        terms = self.generator_loss.terms(sr, hr, fake_logits)
        loss = self.generator_loss.total(terms, adversarial_ramp=self._adversarial_ramp())
        self._note(generator_loss=loss, **terms)
        return loss

    def _update(self, index: int, losses: Iterable[Tensor]) -> None:
        """Step one network's optimizer on the mean of some losses, each computed only when its turn comes."""
        optimizer = self._optimizers()[index]
        optimizer.zero_grad()
        for loss in losses:
            # A loss that is no number can have finite gradients (L1's are signs). It shall not: so the step is dropped,
            # and on all processes alike, since gradients are what they share.
            sound = torch.where(loss.detach().isfinite(), 1.0, torch.nan)
            self.manual_backward(loss * sound / self.num_micro_batches)
        if index == 0:
            optimizer.step()
        else:
            # What LightningOptimizer.step does less the counting: Lightning's global_step then counts generator
            # updates alone, and max_steps, checkpoints and loggers agree on what a step is.
            self.trainer.strategy.optimizer_step(optimizer.optimizer, do_nothing_closure)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip and note the gradient's norm, unscaled by now; drop a gradient that is not finite."""
        phase = "generator" if optimizer is self._optimizers()[0].optimizer else "discriminator"
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.clip_norms[phase] or float("inf"))
        self._noted[f"train/{phase}_gradient_norm"] = norm
        if not norm.isfinite():
            self.non_finite_phases.append(phase)
            optimizer.zero_grad()  # without gradients the step changes nothing, and still counts

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Score one picture and hand it to the callbacks."""
        lr, hr = batch["lr"], batch["hr"]
        # On the CPU, since scores are computed in float64, which not every accelerator has.
        sr = self.forward(lr).float().clamp(0, 1).cpu()
        for name, value in score(sr, hr.cpu(), crop_border=hr.shape[-1] // lr.shape[-1]).items():
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
        checkpoint["learning_rate_scale"] = self.learning_rate_scale

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what is no tensor."""
        self.learning_rate_scale = checkpoint["learning_rate_scale"]

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
        if self.is_pretraining:
            factors = [self.pretrain_schedule(step, min(self.pretrain_steps, max_steps))]
        else:
            place = (step - self.pretrain_steps, max_steps - self.pretrain_steps)
            factors = [self.generator_schedule(*place), self.discriminator_schedule(*place)]
        for name, optimizer, factor in zip(("generator", "discriminator"), self._optimizers(), factors, strict=False):
            learning_rate = optimizer.defaults["lr"] * factor * self.learning_rate_scale
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            self._noted[f"train/{name}_learning_rate"] = learning_rate

    def _adversarial_ramp(self) -> float:
        steps_done = self.global_step - self.pretrain_steps + 1
        return min(1.0, steps_done / self.adversarial_ramp_steps) if self.adversarial_ramp_steps else 1.0

    def _watch(self, sr: Tensor, lr: Tensor) -> None:
        scale = sr.shape[-1] // lr.shape[-1]
        self._note(colour_drift=colour_drift(sr, lr), checkerboard=checkerboard(sr, scale))

    def _note(self, **values: Tensor) -> None:
        """Keep values of this step for the log, as their mean over the micro-batches."""
        for name, value in values.items():
            share = value.detach() / self.num_micro_batches
            self._noted[f"train/{name}"] = self._noted.get(f"train/{name}", 0.0) + share

    def _micro_batches(self, batch: dict[str, Any]) -> list[tuple[Tensor, Tensor]]:
        lr, hr = (batch[name].contiguous(memory_format=torch.channels_last) for name in ("lr", "hr"))
        if len(lr) % self.num_micro_batches:
            raise ValueError(
                f"Expected data.batch_size to be a multiple of model.num_micro_batches={self.num_micro_batches},"
                f" got {len(lr)}."
            )
        size = len(lr) // self.num_micro_batches
        return list(zip(lr.split(size), hr.split(size), strict=True))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network's parameters out of the backward pass, though gradients flow through it to its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
