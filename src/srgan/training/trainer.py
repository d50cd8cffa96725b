"""The Lightning Trainer as a two-phase GAN needs it."""

import inspect
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from srgan.system.device import has_fast_bf16

_BF16_SINCE = (8, 0)  # compute capability
_WEIGHTS_IN_16_BITS = ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16")
# Lightning refuses some of these with two optimizers; the others have no meaning where training counts steps.
_SET_ELSEWHERE = {
    "gradient_clip_val": "model.generator_clip_norm and model.discriminator_clip_norm",
    "gradient_clip_algorithm": "model.generator_clip_norm and model.discriminator_clip_norm",
    "accumulate_grad_batches": "model.num_micro_batches",
    "max_epochs": "trainer.max_steps",
    "min_epochs": "trainer.max_steps",
    "check_val_every_n_epoch": "trainer.val_check_interval",
    "reload_dataloaders_every_n_epochs": "trainer.val_check_interval",
}
_ALWAYS = {
    "max_epochs": -1,  # the training data has no end, so only steps count
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    "use_distributed_sampler": False,  # the data module distributes the samples
}


def build_trainer(
    *,
    max_steps: int,
    val_check_interval: int = 1000,
    precision: str | int = "32-true",
    accelerator: str = "auto",
    devices: int | str | Sequence[int] = "auto",
    callbacks: Sequence[Callback] = (),
    logger: Sequence[Logger] = (),
    **lightning: Any,
) -> Trainer:
    """Build a Trainer that counts steps in batches.

    Args:
        max_steps: Steps (batches, generator updates) to train for.
        val_check_interval: Steps between validations; a shorter run is validated at its last step.
        precision: As in Lightning, but the weights stay in 32 bits: ``32-true``, ``bf16-mixed``, ``16-mixed``. ``auto``
            is bf16-mixed where the device computes faster in it, and otherwise 32-true.
        accelerator: As in Lightning: ``auto``, ``cpu``, ``gpu``, ``mps``.
        devices: As in Lightning: a number, a sequence of indices, or ``auto``.
        callbacks: Lightning's callbacks; checkpoints and the progress bar exist only if they are among them.
        logger: Loggers of values.
        **lightning: Any other argument of ``lightning.Trainer``, passed on: ``profiler``, …

    Returns:
        The trainer.

    Raises:
        ValueError: If the Trainer has no such argument or this project sets it elsewhere, ``max_steps`` or
            ``val_check_interval`` is below 1, the weights would be in 16 bits, or the machine lacks the devices.
    """
    _require_known(lightning)
    _require_sound(max_steps=max_steps, val_check_interval=val_check_interval, precision=precision)
    arguments: dict[str, Any] = {
        "max_steps": max_steps,
        "precision": _auto_precision(accelerator) if precision == "auto" else precision,
        "accelerator": accelerator,
        "devices": list(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else devices,
        "val_check_interval": min(val_check_interval, max_steps),
        "enable_progress_bar": any(isinstance(callback, ProgressBar) for callback in callbacks),
        "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in callbacks),
        "callbacks": list(callbacks),
        "logger": list(logger),
        **_ALWAYS,
        **lightning,
    }
    trainer = _made(arguments)
    _require_fit_for_processes(trainer, lightning)
    return trainer


def _made(arguments: Mapping[str, Any]) -> Trainer:
    try:
        return Trainer(**arguments)
    except MisconfigurationException as error:
        raise ValueError(
            "Expected the settings of trainer to fit this machine and each other, got"
            f" trainer.accelerator={arguments['accelerator']} and trainer.devices={arguments['devices']}: {error}"
            " Set trainer.accelerator=auto trainer.devices=auto for what there is; nvidia-smi lists NVIDIA's GPUs."
        ) from error


def _auto_precision(accelerator: str) -> str:
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.get_device_capability() >= _BF16_SINCE
    else:
        fast = accelerator in ("auto", "cpu") and not torch.backends.mps.is_available() and has_fast_bf16()
    return "bf16-mixed" if fast else "32-true"


def _require_known(lightning: Mapping[str, Any]) -> None:
    known = inspect.signature(Trainer).parameters
    for name in lightning:
        if name in _SET_ELSEWHERE:
            raise ValueError(f"Expected no trainer.{name}, which has no effect here. Set {_SET_ELSEWHERE[name]}.")
        if name not in known:
            raise ValueError(
                f"Expected trainer.{name} to be an argument of Lightning's Trainer, which has {', '.join(known)}."
            )


def _require_sound(*, max_steps: int, val_check_interval: int, precision: str | int) -> None:
    if str(precision) in _WEIGHTS_IN_16_BITS:
        raise ValueError(
            f"Expected trainer.precision to keep the weights in 32 bits, got {precision}: in 16 bits most updates are"
            " smaller than a weight's last digit. Set bf16-mixed or 16-mixed, which compute in 16 bits."
        )
    for name, value in (("max_steps", max_steps), ("val_check_interval", val_check_interval)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected trainer.{name} to be a whole number of 1 or more, got {value!r}.")


def _require_fit_for_processes(trainer: Trainer, lightning: Mapping[str, Any]) -> None:
    """Refuse settings that do not suit several processes; only the Trainer knows how many there are."""
    if trainer.world_size == 1:
        return
    if not isinstance(trainer.strategy, DDPStrategy):
        raise ValueError(
            "Expected trainer.strategy=auto or a kind of ddp, where each process holds whole networks, got"
            f" {lightning.get('strategy')}."
        )
    device = trainer.strategy.root_device.type
    if lightning.get("sync_batchnorm") and device != "cuda":
        raise ValueError(
            f"Expected trainer.sync_batchnorm=false on {device}: torch synchronises BatchNorm between GPUs alone."
        )


def without_null(section: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entries of a section: ``callbacks.progress=null`` drops one, ``~callbacks`` the whole section."""
    return {name: entry for name, entry in (section or {}).items() if entry is not None}


@contextmanager
def ending_together(trainer: Trainer) -> Iterator[None]:
    """When the first process fails, end those that it has started: alone, they would wait for it for half an hour.

    The first one survives, to report the error, to finish its loggers, and for the next job of a sweep.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(launcher := trainer.strategy.launcher, _SubprocessScriptLauncher):
            if isinstance(error, Exception):
                launcher.kill(signal.SIGKILL)
            launcher.procs.clear()  # or Lightning would notice that one was killed, and kill this process too
        raise
