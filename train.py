"""Train a super-resolution GAN: compose, seed, instantiate, fit, test. Settings: conf/train.yaml."""

import logging
import os
import re
import shlex
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from lightning import LightningDataModule, Trainer
    from torch import nn

    from srgan.module import SRGAN
    from srgan.networks import Generator

log = logging.getLogger("train")

PROJECT = Path(__file__).parent


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> tuple[float, ...] | None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    try:
        return train(cfg)
    except SystemExit as stop:
        # Lightning ends a run at SIGTERM as if it had finished; a scheduler must see that it has not. From a process
        # that the first one has started another code would look like a crash, at which Lightning kills them all.
        terminated = type(stop).__name__ == "SIGTERMException" and os.environ.get("LOCAL_RANK", "0") == "0"
        sys.exit(128 + signal.SIGTERM if terminated else stop.code)
    except (ValueError, FileNotFoundError, InstantiationException, OmegaConfBaseException) as error:
        if _is_sweep() or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        message = str(error.__cause__ or error) if isinstance(error, InstantiationException) else str(error)
        where = re.search(r"full_key: (\S+)", str(error))
        sys.exit(
            f"\n{message}\n" + (f"In {where[1]}. " if where else "") + "(HYDRA_FULL_ERROR=1 shows where this happened.)"
        )


def train(cfg: DictConfig) -> tuple[float, ...] | None:
    """Train as the configuration says and test the result.

    Args:
        cfg: The composed ``conf/train.yaml``.

    Returns:
        What a sweep compares (see ``test``); None on processes other than the first.
    """
    # Imported here, so that `--help` and shell completion answer at once.
    import torch
    from hydra.utils import instantiate
    from lightning import seed_everything

    from srgan.callbacks import Settings
    from srgan.provenance import git_commit
    from srgan.runs import check_resumable, checkpoint_to_go_on_from
    from srgan.trainer import ending_together
    from srgan.weights import load_into

    _quieten()
    torch.set_float32_matmul_precision("high")
    seed_everything(cfg.seed, workers=True, verbose=False)

    datamodule: LightningDataModule = instantiate(cfg.data, _convert_="all")
    if cfg.test_only:
        return score(datamodule, cfg)
    model: SRGAN = instantiate(cfg.model, _convert_="all")
    settings = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
    hyperparameters = {**settings, "git_commit": git_commit()}
    if cfg.resume not in (None, "auto") or (cfg.resume and _is_sweep()):
        raise ValueError(f"Expected resume=auto, and not in a sweep, or none (null); got {cfg.resume}.")
    ckpt_path = checkpoint_to_go_on_from(
        cfg.ckpt_path, search=cfg.resume == "auto", output_dir=Path(cfg.output_dir), settings=hyperparameters
    )
    if ckpt_path is not None:
        # Lightning restores it later, with the optimizers; this says in words what would not fit.
        check_resumable(ckpt_path, model.state_dict(), hyperparameters)
    if cfg.generator_weights is not None:
        for network in (model.generator, model.evaluated_generator):
            load_into(_generator(network), Path(str(cfg.generator_weights)))
    callbacks = [*(instantiate(each) for each in cfg.callbacks.values()), Settings(hyperparameters)]
    loggers = [instantiate(each, **_place_in_sweep(name)) for name, each in cfg.logger.items()]
    trainer: Trainer = instantiate(cfg.trainer, _convert_="all", callbacks=callbacks, logger=loggers)

    try:
        for logger in loggers:
            logger.log_hyperparams({**hyperparameters, "content_weights": _content_weights(model)})
        if trainer.is_global_zero:
            log.info("Run folder: %s", cfg.output_dir)
            batch_size, processes = cfg.data.batch_size, trainer.world_size
            log.info("Effective batch: %d (%d a process, %d processes)", batch_size * processes, batch_size, processes)
            log.info("Learning rates are as configured, not scaled with the batch")
        with _as_job(), ending_together(trainer):
            trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
        if not trainer.is_global_zero:
            return None
        outcome = test(model.to(trainer.strategy.root_device), datamodule, cfg)  # Lightning has put it back on the CPU
        _log_sweep(loggers)
        _finish_wandb(exit_code=0)
        return outcome
    finally:
        _finish_wandb(exit_code=1)  # of what has not been finished above


def test(model: "SRGAN", datamodule: "LightningDataModule", cfg: DictConfig) -> tuple[float, ...]:
    """Score the run's weights, write everything down, and say what to do next.

    Returns:
        What a sweep compares, of the last weights: mean PSNR on Y in dB and, with a content loss, feature distance.
    """
    from srgan import results
    from srgan.evaluation import score_table

    output_dir = Path(cfg.output_dir)
    scores = results.close_run(
        output_dir,
        last=_generator(model.evaluated_generator).eval(),
        content=model.generator_loss.content,
        batches=datamodule.test_dataloader(),
        overrides=_overrides(),
    )
    weights = output_dir / results.WEIGHTS
    print(f"\n{score_table(scores)}\n")
    for what, file in (("Scores", results.SCORES), ("Comparison", results.COMPARISON), ("Weights", results.WEIGHTS)):
        print(f"{what:<12}{_shown(output_dir / file)}")
    print(f"\nNext: {_predict_command(weights)}")
    return _compared(scores["last"])


def score(datamodule: "LightningDataModule", cfg: DictConfig) -> tuple[float, ...]:
    """Score the weights that ``ckpt_path`` names, one or a list, on the validation photos, without training.

    Returns:
        As ``test`` does.
    """
    from hydra.utils import instantiate

    from srgan import results
    from srgan.evaluation import score_table
    from srgan.inference import choose_device
    from srgan.weights import load_generator

    named = cfg.ckpt_path if OmegaConf.is_list(cfg.ckpt_path) else [cfg.ckpt_path]
    if None in named:
        raise ValueError("Expected weights to test: test_only=true ckpt_path=srgan, a .safetensors, a .ckpt or a run.")
    device = choose_device("cpu" if cfg.trainer.accelerator == "cpu" else "auto")
    stems = [Path(str(path)).stem for path in named]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in named]
    generators = {name: load_generator(Path(str(path))).to(device) for name, path in zip(names, named, strict=True)}
    for path, generator in generators.items():
        if generator.scale != cfg.scale:
            raise ValueError(f"{path} enlarges {generator.scale} times: set scale={generator.scale}.")
    datamodule.setup("test")
    loss = instantiate(cfg.loss).to(device)
    output_dir = Path(cfg.output_dir)
    scores = results.score_weights(
        output_dir,
        generators=generators,
        content=loss.content,
        batches=datamodule.test_dataloader(),
    )
    print(f"\n{score_table(scores)}\n\nScores      {_shown(output_dir / results.SCORES)}")
    print(f"Comparison  {_shown(output_dir / results.COMPARISON)}")
    return _compared(list(scores.values())[-1])


def _compared(scores: Mapping[str, Mapping[str, float]]) -> tuple[float, ...]:
    """Of one method's scores by picture, what a sweep compares."""
    return tuple(scores["mean"][name] for name in ("psnr_y", "feature_distance") if name in scores["mean"])


def _is_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _place_in_sweep(logger: Any) -> dict[str, str]:
    """A sweep's jobs are one group in W&B."""
    if logger != "wandb" or not _is_sweep():
        return {}
    hydra_config = HydraConfig.get()
    group = Path(hydra_config.sweep.dir).name
    return {"group": group, "name": f"{group}/{hydra_config.job.num}"}


@contextmanager
def _as_job() -> Iterator[None]:
    """In a sweep, let the processes that Lightning starts run this job alone, in this job's folder."""
    from srgan.sweeps import own_processes

    if not _is_sweep():
        yield
        return
    run: Any = HydraConfig.get().run
    with read_write(run):
        run.dir = HydraConfig.get().runtime.output_dir
    with own_processes(_overrides()):
        yield


def _log_sweep(loggers: Sequence[Any]) -> None:
    """The table of all jobs so far, into W&B."""
    from lightning.pytorch.loggers import WandbLogger

    from srgan.sweep_report import COLUMNS, read_jobs, table

    if not _is_sweep():
        return
    rows = table(read_jobs(Path(HydraConfig.get().sweep.dir)))
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_table("sweep", columns=list(COLUMNS), data=rows)


def _overrides() -> list[str]:
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def _quieten() -> None:
    """Leave on the console what a person training a network can use."""
    for name in ("lightning.pytorch", "lightning.fabric"):  # each says its settings twice, beside Hydra's handlers
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")  # Lightning's own
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # see below
    warnings.formatwarning = lambda message, category, *_, **__: f"{category.__name__}: {message}\n"


def _generator(network: "nn.Module") -> "Generator":
    from srgan.networks import Generator

    assert isinstance(network, Generator), "conf/generator/*.yaml build srgan.networks.Generator"
    return network


def _content_weights(model: "SRGAN") -> str | None:
    content = model.generator_loss.content
    return None if content is None else content.weights_used


def _predict_command(weights: Path) -> str:
    """A command that works as it stands where train.py was started."""
    on_path = shutil.which("python")
    python = "python" if on_path and Path(on_path).parent == Path(sys.executable).parent else _shown(sys.executable)
    script, photo = _shown(PROJECT / "predict.py"), _shown(PROJECT / "src/srgan/assets/photos/val/chelsea.png")
    return shlex.join([python, script, f"ckpt={_shown(weights)}", f"input={photo}", "output=out"])


def _shown(path: str | Path) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    absolute = Path(os.path.abspath(path))  # not resolved: a virtual environment's python is a link
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def _finish_wandb(*, exit_code: int) -> None:
    # Without this, the next job of a sweep would go on in this job's run.
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.finish(exit_code=exit_code)


if __name__ == "__main__":
    main()
