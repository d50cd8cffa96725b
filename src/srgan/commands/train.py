"""``srgan train``: compose, seed, instantiate, fit, test. Settings: conf/train.yaml."""

import copy
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from srgan.commands.command_line import run_with_hydra
from srgan.sweeps.hydra_job import as_job, is_sweep, mistakes_in_a_sentence, overrides, place_in_sweep, sweep_folder
from srgan.system.overrides import TRAIN_PATHS, quoted_paths, require_paths
from srgan.system.program import how_to_start

if TYPE_CHECKING:
    from lightning import LightningDataModule, Trainer

    from srgan.losses import ContentLoss
    from srgan.training import SRGAN


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, by default the process's own."""
    run_with_hydra(_job, "train", arguments, lambda typed: quoted_paths(typed, TRAIN_PATHS))


def _job(cfg: DictConfig) -> tuple[float, ...] | None:
    """Run, with the exit code that a shell and a scheduler expect."""
    try:
        with mistakes_in_a_sentence("train", ValueError, FileNotFoundError):
            return train(cfg)
    except SystemExit as stop:
        # Lightning ends a run at SIGTERM as if it had finished; a scheduler must see that it has not. In a process that
        # the first one started, another code would look like a crash, after which Lightning kills all of them.
        terminated = type(stop).__name__ == "SIGTERMException" and os.environ.get("LOCAL_RANK", "0") == "0"
        sys.exit(128 + signal.SIGTERM if terminated else stop.code)


def train(cfg: DictConfig) -> tuple[float, ...] | None:
    """Train as configured and test the result; with ``test_only``, test given weights.

    Args:
        cfg: The composed ``conf/train.yaml``.

    Returns:
        What a sweep compares (see ``srgan.evaluation.closing_test.compared``); None on processes other than the first,
        and if ``resume=auto`` finds a finished run.
    """
    # Imported here, as everything heavy below, so that `--help` and shell completion answer at once.
    import torch
    from hydra.utils import instantiate
    from lightning import seed_everything

    from srgan.system.files import show_any_name
    from srgan.system.memory import keep_memory
    from srgan.training.console import quieten

    quieten()
    keep_memory()
    show_any_name()
    require_paths({name: _plain(OmegaConf.select(cfg, name)) for name in TRAIN_PATHS if not name.startswith("hydra.")})
    torch.set_float32_matmul_precision("high")
    seed_everything(cfg.seed, workers=True, verbose=False)
    datamodule: LightningDataModule = instantiate(_data_to_score(cfg) if cfg.test_only else cfg.data, _convert_="all")
    return score(datamodule, cfg) if cfg.test_only else fit(datamodule, cfg)


def fit(datamodule: "LightningDataModule", cfg: DictConfig) -> tuple[float, ...] | None:
    """Build model and trainer, train, and test; returns as ``train`` does."""
    from hydra.utils import instantiate

    from srgan.system.git import git_commit
    from srgan.training.callbacks import Settings
    from srgan.training.console import announce, telling_where_it_stopped
    from srgan.training.loggers import finish_wandb
    from srgan.training.resume import find_start, note_origin
    from srgan.training.trainer import ending_together, without_null
    from srgan.weights import load_into, load_into_discriminator

    output_dir = Path(cfg.output_dir)
    model: SRGAN = instantiate(cfg.model, _convert_="all")
    settings = {**cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True)), "git_commit": git_commit()}
    search, state = _searches(cfg.resume), model.state_dict()
    start = find_start(cfg.ckpt_path, search=search, output_dir=output_dir, settings=settings, state=state)
    if start.is_finished:
        return None
    if cfg.generator_weights is not None:
        for network in (model.generator, model.evaluated_generator):
            load_into(network, Path(str(cfg.generator_weights)))
    if cfg.discriminator_weights is not None:
        load_into_discriminator(model.discriminator, Path(str(cfg.discriminator_weights)))
    callbacks = [*(instantiate(each) for each in without_null(cfg.get("callbacks")).values()), Settings(settings)]
    loggers = [instantiate(each, **place_in_sweep(str(name))) for name, each in without_null(cfg.get("logger")).items()]
    trainer: Trainer = instantiate(cfg.trainer, _convert_="all", callbacks=callbacks, logger=loggers)
    content = model.generator_loss.content
    try:
        for logger in loggers:
            logger.log_hyperparams({**settings, "content_weights": content and content.weights_used})
        announce(trainer, output_dir, batch_size=cfg.data.batch_size)
        note_origin(start, output_dir)
        arguments = overrides() if is_sweep() else sys.argv[1:]
        with telling_where_it_stopped(trainer, output_dir, program=how_to_start("train"), arguments=arguments):
            with as_job("train"), ending_together(trainer):
                trainer.fit(model, datamodule=datamodule, ckpt_path=start.checkpoint, weights_only=True)
            outcome = test(model, datamodule, trainer, start.results_dir) if trainer.is_global_zero else None
        finish_wandb(exit_code=0)
        return outcome
    finally:
        finish_wandb(exit_code=1)  # if it was not finished above


def test(model: "SRGAN", datamodule: "LightningDataModule", trainer: "Trainer", results_dir: Path) -> tuple[float, ...]:
    """Score the trained weights, write the results, and print the next command; returns as ``train`` does."""
    from srgan.evaluation import closing_test
    from srgan.sweeps.jobs import log_report
    from srgan.training.console import run_summary

    model.to(trainer.strategy.root_device)  # Lightning moved it back to the CPU
    scores = closing_test.close_run(
        results_dir,
        last=model.evaluated_generator.eval(),
        content=model.generator_loss.content,
        batches=datamodule.test_dataloader(),
        step=trainer.global_step,
        overrides=overrides(),
    )
    print(run_summary(results_dir, scores, predict=how_to_start("predict")))
    if is_sweep():
        log_report(sweep_folder(), trainer.loggers)
    return closing_test.compared(scores["last"])


def score(datamodule: "LightningDataModule", cfg: DictConfig) -> tuple[float, ...]:
    """Score the weights that ``ckpt_path`` names, one or a list, without training; returns as ``train`` does."""
    from srgan.evaluation import closing_test
    from srgan.system.device import choose_device
    from srgan.training.console import scores_summary

    named = cfg.ckpt_path if OmegaConf.is_list(cfg.ckpt_path) else [cfg.ckpt_path]
    if None in named:
        raise ValueError("Expected weights to test: test_only=true ckpt_path=srgan, a .safetensors, a .ckpt or a run.")
    device = choose_device("cpu" if cfg.trainer.accelerator == "cpu" else "auto")
    generators = closing_test.load_side_by_side([Path(str(path)) for path in named], scale=cfg.scale, device=device)
    datamodule.setup("test")
    output_dir, content = Path(cfg.output_dir), _content_to_score_by(cfg)
    if content is not None:
        content = content.to(device)
    batches = datamodule.test_dataloader()
    scores = closing_test.score_weights(output_dir, generators=generators, content=content, batches=batches)
    print(scores_summary(output_dir, scores))
    return closing_test.compared(list(scores.values())[-1])


def _data_to_score(cfg: DictConfig) -> DictConfig:
    """The settings of the data; those of photos to test on need no others, which are neither looked for nor downloaded.

    The included photos, which are always there, stand for those to train on.
    """
    if cfg.data.get("test_root") is None:
        data: DictConfig = cfg.data
        return data
    changed = copy.deepcopy(cfg)
    for name, value in {"root": "sample", "val_root": None, "lr_root": None, "val_lr_root": None}.items():
        if name in changed.data.keys():  # noqa: SIM118 - `in` alone is false for a value that is still missing
            changed.data[name] = value
    return cast("DictConfig", changed.data)


def _content_to_score_by(cfg: DictConfig) -> "ContentLoss | None":
    """The content loss; None, with a warning, if its weights are unavailable: it is only one of several scores."""
    from hydra.utils import instantiate

    from srgan.losses import NoVggWeightsError

    try:
        content: ContentLoss | None = instantiate(cfg.loss.content)
    except InstantiationException as error:
        if not isinstance(error.__cause__, NoVggWeightsError):
            raise
        warnings.warn(f"The distance in features is left out: {error.__cause__.reason}.", stacklevel=1)
        return None
    return content


def _searches(resume: str | None) -> bool:
    """Whether to search for a run to resume."""
    if resume not in (None, "auto") or (resume and is_sweep()):
        raise ValueError(f"Expected resume=auto (but not in a sweep) or null, got {resume}.")
    return resume == "auto"


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
