"""What a fit logs, and which weights it changes."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn


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
