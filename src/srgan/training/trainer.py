"""The Lightning Trainer as a two-phase GAN needs it."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning import Callback, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from srgan.training.sync_norm import BatchNormSync

_WEIGHTS_IN_16_BITS = ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16")


def build_trainer(
    *,
    max_steps: int,
    accelerator: str = "auto",
    devices: int | str | Sequence[int] = "auto",
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str | int = "32-true",
    sync_batchnorm: bool = False,
    val_check_interval: int = 1000,
    limit_val_batches: int | float = 1.0,
    log_every_n_steps: int = 50,
    deterministic: bool | str | None = None,
    benchmark: bool | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Sequence[Logger] = (),
    default_root_dir: str | Path | None = None,
) -> Trainer:
    """Make a Trainer that counts steps in batches.

    Args:
        max_steps: Steps (batches, generator updates) to train for.
        accelerator: As in Lightning: ``auto``, ``cpu``, ``gpu``, …
        devices: As in Lightning: a number, a list of indices, or ``auto``.
        num_nodes: Machines.
        strategy: As in Lightning; ``auto`` is DDP where there are several processes.
        precision: As in Lightning: ``32-true``, ``bf16-mixed``, ``16-mixed``, …
        sync_batchnorm: Normalise over the batch of all processes where there are several.
        val_check_interval: Steps between validations; where the run is shorter, its last step is validated.
        limit_val_batches: How many validation pictures, as in Lightning.
        log_every_n_steps: Steps between two entries in the logs.
        deterministic: As in Lightning.
        benchmark: As in Lightning: let cuDNN choose its algorithms by trial.
        callbacks: What else happens during training.
        logger: Where values are logged to.
        default_root_dir: Where Lightning puts what has no other place.

    Returns:
        The trainer.

    Raises:
        ValueError: If ``max_steps`` or ``val_check_interval`` is below 1, the weights would be in 16 bits, or the
            machine lacks the devices.
    """
    if str(precision) in _WEIGHTS_IN_16_BITS:
        raise ValueError(
            f"Expected trainer.precision to keep the weights in 32 bits, got {precision}: in 16 bits most updates are"
            " smaller than a weight's last digit. Set bf16-mixed or 16-mixed, which compute in 16 bits."
        )
    for name, value in (("max_steps", max_steps), ("val_check_interval", val_check_interval)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected trainer.{name} to be a whole number of 1 or more, got {value!r}.")

    def build(strategy: str, plugins: Sequence[BatchNormSync] = ()) -> Trainer:
        return Trainer(
            max_steps=max_steps,
            max_epochs=-1,  # the training data has no end: steps count, epochs do not
            accelerator=accelerator,
            devices=list(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else devices,
            num_nodes=num_nodes,
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type] # Lightning checks the value
            plugins=list(plugins),
            val_check_interval=min(val_check_interval, max_steps),
            check_val_every_n_epoch=None,
            limit_val_batches=limit_val_batches,
            num_sanity_val_steps=0,
            log_every_n_steps=log_every_n_steps,
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            deterministic=deterministic,  # type: ignore[arg-type]
            benchmark=benchmark,
            use_distributed_sampler=False,  # the data module deals out the samples
            callbacks=list(callbacks),
            logger=list(logger),
            default_root_dir=default_root_dir,
        )

    try:
        trainer = build(strategy)
    except MisconfigurationException as error:
        raise ValueError(
            f"Expected trainer.accelerator={accelerator} and trainer.devices={devices} to fit this machine: {error}"
            " Set trainer.accelerator=auto trainer.devices=auto for what there is; nvidia-smi lists NVIDIA's GPUs."
        ) from error
    if trainer.world_size > 1 and not isinstance(trainer.strategy, DDPStrategy):
        raise ValueError(
            f"Expected trainer.strategy=auto or a kind of ddp, where each process holds whole networks, got {strategy}."
        )
    if sync_batchnorm and trainer.world_size > 1:  # the device that the layers must fit is only known by now
        return build(strategy, [BatchNormSync(trainer.strategy.root_device.type)])
    return trainer


@contextmanager
def ending_together(trainer: Trainer) -> Iterator[None]:
    """End the processes that the first one has started when it fails: left alone, they wait for it for half an hour.

    The first one lives on, to say why, to finish its loggers, and for the next job of a sweep.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(launcher := trainer.strategy.launcher, _SubprocessScriptLauncher):
            if isinstance(error, Exception):
                launcher.kill(signal.SIGKILL)
            launcher.procs.clear()  # where Lightning would see that one was killed, and kill this process as well
        raise
