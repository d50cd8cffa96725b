"""The LightningModule: both networks, trained in turn with manual optimization (Ledig et al. 2017, arXiv:1609.04802).

A step is one batch. For the first ``pretrain_steps`` the generator learns from the pixel loss alone; after that each
step has two phases: the discriminator alone, then the generator alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from srgan import __version__
from srgan.evaluation.metrics import score
from srgan.losses import GeneratorLoss
from srgan.training.artefacts import checkerboard, colour_drift
from srgan.training.ema import MovingAverage
from srgan.training.pieces import micro_batches, window
from srgan.training.schedules import Schedule
from srgan.training.updates import AlternatingUpdates, keep_options

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


class SRGAN(AlternatingUpdates):
    """Super-resolution GAN.

    Args:
        generator: LR to SR; a ``srgan.networks.AnyGenerator``.
        discriminator: Image to logits; a ``srgan.networks.Discriminator``.
        generator_loss: The generator's weighted losses.
        generator_optimizer: Builds the generator's optimizer from its parameters.
        discriminator_optimizer: Builds the discriminator's.
        pretrain_schedule: Factor on the generator's learning rate while pretraining.
        generator_schedule: Factor on the generator's learning rate in the adversarial phase.
        discriminator_schedule: Factor on the discriminator's.
        pretrain_steps: Steps of pixel loss alone before the adversarial phase: the paper's SRResNet.
        adversarial_ramp_steps: Steps over which the adversarial weight then rises to its full value.
        window_shift: In the adversarial phase all losses see a window of each crop that is this many pixels smaller
            and moves at each step. Strides and poolings of the discriminator and the VGG then meet all positions of the
            generator's 4 x 4 grid alike; otherwise their gradients draw a lattice of dots. 8 suits a stride of 8; 0,
            the paper's, is off.
        generator_clip_norm: Largest norm of the generator's gradient; None does not clip.
        discriminator_clip_norm: Largest norm of the discriminator's.
        ema_decay: Share of the generator's moving average that each step keeps; None keeps no average. The average is
            what is validated and exported.
        num_micro_batches: Pieces to compute a batch in, if it does not fit in memory. The step stays one update; each
            phase then runs the generator itself, and BatchNorm sees the pieces one by one.
        compile_networks: Compile the networks with ``torch.compile`` for training: minutes at the start, faster steps
            on GPUs.

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
        window_shift: int = 0,
        generator_clip_norm: float | None = None,
        discriminator_clip_norm: float | None = None,
        ema_decay: float | None = None,
        num_micro_batches: int = 1,
        compile_networks: bool = False,
    ) -> None:
        super().__init__(
            clip_norms={"generator": generator_clip_norm, "discriminator": discriminator_clip_norm},
            num_micro_batches=num_micro_batches,
        )
        counts = {
            "pretrain_steps": pretrain_steps,
            "adversarial_ramp_steps": adversarial_ramp_steps,
            "window_shift": window_shift,
        }
        for name, count in counts.items():
            if count < 0:
                raise ValueError(f"Expected model.{name} of 0 or more, got {count}.")
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.average = None if ema_decay is None else MovingAverage(self.generator, decay=ema_decay)
        self.generator_loss = generator_loss
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        self.pretrain_schedule = pretrain_schedule
        self.generator_schedule, self.discriminator_schedule = generator_schedule, discriminator_schedule
        self.pretrain_steps = pretrain_steps
        self.adversarial_ramp_steps = adversarial_ramp_steps
        self.window_shift = window_shift
        self.compile_networks = compile_networks

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge images: float RGB in [0, 1], (N, 3, h, w) → (N, 3, scale * h, scale * w), not clamped."""
        # `forward` is never compiled: whole photos have too many sizes for that.
        sr: Tensor = self.evaluated_generator.forward(lr)
        return sr

    def setup(self, stage: str) -> None:
        """Compile the networks in place, which keeps the names of their weights."""
        if stage == "fit" and self.compile_networks:
            content = self.generator_loss.content
            for network in (self.generator, self.discriminator, *([] if content is None else [content])):
                network.compile()

    @property
    def evaluated_generator(self) -> nn.Module:
        """The generator to validate, export and predict with: the moving average where there is one."""
        return self.generator if self.average is None else self.average.module

    @property
    def is_pretraining(self) -> bool:
        """Whether the current step still belongs to the pretraining."""
        return self.global_step < self.pretrain_steps

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """One batch: a step of pretraining, or the two phases of adversarial training."""
        if self.global_step == self.pretrain_steps:
            # Adam's moments belong to a loss of another size: the first adversarial steps would be far too long.
            self.optimizer(0).optimizer.state.clear()
        self.begin_step(self._learning_rate_factors())
        pairs = micro_batches(batch, self.num_micro_batches)
        # One forward pass of the generator serves both phases, since the first does not change it. Micro-batches, which
        # exist to save memory, run their own in each phase.
        shared_sr = self.generator(pairs[0][0]) if len(pairs) == 1 else None
        if self.is_pretraining:
            self.update(0, (self._pretrain_loss(lr, hr, shared_sr) for lr, hr in pairs))
        else:
            if self.generator_loss.needs_discriminator:
                self.update(1, (self._discriminator_phase(lr, hr, shared_sr) for lr, hr in pairs))
            with _frozen(self.discriminator):
                self.update(0, (self._generator_phase(lr, hr, shared_sr) for lr, hr in pairs))
        self.restore_if_dropped()
        if self.average is not None:
            self.average.follow(self.generator, unless=self.dropped)
        self.end_step()

    def _pretrain_loss(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        sr = self.generator(lr) if shared_sr is None else shared_sr
        self._watch(sr, lr)
        pixel_loss = self.generator_loss.pixel(sr, hr)
        self.note(generator_loss=pixel_loss, pixel_loss=pixel_loss)
        return pixel_loss

    def _discriminator_phase(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        """Phase 1: the discriminator alone learns to tell hr (1) from sr (0)."""
        with torch.no_grad():
            sr = self.generator(lr) if shared_sr is None else shared_sr.detach()
        sr, hr = self._window(sr), self._window(hr)
        hr = hr.detach().requires_grad_(self.generator_loss.r1_weight > 0)
        # Two passes, not one over both: BatchNorm must see real and fake images apart, as the paper's does.
        real_logits, fake_logits = self.discriminator(hr), self.discriminator(sr)
        loss = self.generator_loss.of_discriminator(real_logits, fake_logits, hr=hr)
        self.note(discriminator_loss=loss)
        if self.will_look:
            self.note(
                real_probability=real_logits.sigmoid().mean(),
                fake_probability=fake_logits.sigmoid().mean(),
            )
        return loss

    def _generator_phase(self, lr: Tensor, hr: Tensor, shared_sr: Tensor | None) -> Tensor:
        """Phase 2: the generator alone learns from its weighted losses, all labels 1."""
        sr = self.generator(lr) if shared_sr is None else shared_sr
        self._watch(sr, lr)
        sr, hr = self._window(sr), self._window(hr)
        fake_logits = self.discriminator(sr) if self.generator_loss.needs_discriminator else None
        real_logits = None
        if fake_logits is not None and self.generator_loss.compares:
            with torch.no_grad():
                real_logits = self.discriminator(hr)
        terms = self.generator_loss.terms(sr, hr, fake_logits, real_logits)
        loss = self.generator_loss.total(terms, adversarial_ramp=self._adversarial_ramp())
        self.note(generator_loss=loss, **terms)
        return loss

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Log one photo's scores, as means over those of all processes, and hand its SR to the callbacks."""
        lr, hr = batch["lr"], batch["hr"].cpu()
        sr = self.forward(lr).float().clamp(0, 1).cpu()  # scored in float64, which not every accelerator has
        scores = score(sr, hr, crop_border=hr.shape[-1] // lr.shape[-1])
        # In one copy, which is not waited for; on MPS those that are not are unsafe in torch.
        values = torch.tensor([*scores.values()]).to(self.device, non_blocking=self.device.type != "mps")
        for name, value in zip(scores, values, strict=True):
            self.log(f"val/{name}", value, prog_bar=name == "psnr_y", batch_size=1, sync_dist=True)
        return sr

    def on_validation_start(self) -> None:
        """Validate the network that is saved, the first process's: BatchNorm statistics differ between processes."""
        if self.trainer.world_size > 1:
            for buffer in self.evaluated_generator.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def configure_optimizers(self) -> tuple[Optimizer, Optimizer]:
        """The generator's optimizer and the discriminator's; each step sets their rates."""
        optimizers = (
            self.generator_optimizer(self.generator.parameters()),
            self.discriminator_optimizer(self.discriminator.parameters()),
        )
        for optimizer in optimizers:
            optimizer.register_load_state_dict_pre_hook(keep_options)
        return optimizers

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the architecture as plain values, so that predict.py can build the generator from the file alone."""
        checkpoint["generator_config"] = self.generator.config
        checkpoint["srgan_version"] = __version__
        checkpoint["learning_rate_scale"] = self.learning_rate_scale

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what is not a tensor."""
        self.learning_rate_scale = checkpoint["learning_rate_scale"]

    def _learning_rate_factors(self) -> tuple[float, ...]:
        step, max_steps = self.global_step, self.trainer.max_steps
        if self.is_pretraining:
            return (self.pretrain_schedule(step, min(self.pretrain_steps, max_steps)),)
        place = (step - self.pretrain_steps, max_steps - self.pretrain_steps)
        return self.generator_schedule(*place), self.discriminator_schedule(*place)

    def _adversarial_ramp(self) -> float:
        steps_done = self.global_step - self.pretrain_steps + 1
        return min(1.0, steps_done / self.adversarial_ramp_steps) if self.adversarial_ramp_steps else 1.0

    def _window(self, images: Tensor) -> Tensor:
        return window(images, step=self.global_step, shift=self.window_shift)

    def _watch(self, sr: Tensor, lr: Tensor) -> None:
        if self.will_look:
            scale = sr.shape[-1] // lr.shape[-1]
            self.note(colour_drift=colour_drift(sr, lr), checkerboard=checkerboard(sr, scale))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network's parameters out of the backward pass, though gradients flow through it to its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
