"""Train a super-resolution GAN: compose, seed, instantiate, fit, test. Settings: conf/train.yaml."""

import json
import logging
import os
import shlex
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from lightning import LightningDataModule, Trainer
    from torch import nn

    from srgan.module import SRGAN
    from srgan.networks import Generator

log = logging.getLogger("train")

PROJECT = Path(__file__).parent


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    try:
        return train(cfg)
    except SystemExit as stop:
        # Lightning ends a run at SIGTERM as if it had finished; a scheduler must see that it has not.
        sys.exit(128 + signal.SIGTERM if type(stop).__name__ == "SIGTERMException" else stop.code)
    except (ValueError, FileNotFoundError, InstantiationException, OmegaConfBaseException) as error:
        multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        if multirun or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        sys.exit(f"\n{cause}\n(HYDRA_FULL_ERROR=1 shows where this happened.)")


def train(cfg: DictConfig) -> float | None:
    """Train as the configuration says and test the result.

    Args:
        cfg: The composed ``conf/train.yaml``.

    Returns:
        The mean PSNR on Y of the best checkpoint, for sweeps; None on processes other than the first.
    """
    # Imported here, so that `--help` and shell completion answer at once.
    import torch
    from hydra.utils import instantiate
    from lightning import seed_everything

    from srgan.weights import load_into

    _quieten()
    torch.set_float32_matmul_precision("high")
    seed_everything(cfg.seed, workers=True, verbose=False)

    datamodule: LightningDataModule = instantiate(cfg.data, _convert_="all")
    model: SRGAN = instantiate(cfg.model, _convert_="all")
    if cfg.ckpt_path is not None:
        # Lightning restores it later, with the optimizers; this says in words what would not fit.
        load_into(_generator(model.generator), Path(cfg.ckpt_path))
    if cfg.generator_weights is not None:
        for network in (model.generator, model.evaluated_generator):
            load_into(_generator(network), Path(cfg.generator_weights))
    callbacks = [instantiate(each) for each in cfg.callbacks.values()]
    loggers = [instantiate(each) for each in cfg.logger.values()]
    trainer: Trainer = instantiate(cfg.trainer, _convert_="all", callbacks=callbacks, logger=loggers)

    try:
        hyperparameters = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
        for logger in loggers:
            logger.log_hyperparams({**hyperparameters, "content_weights": _content_weights(model)})
        if trainer.is_global_zero:
            log.info("Run folder: %s", cfg.output_dir)
        trainer.fit(model, datamodule=datamodule, ckpt_path=cfg.ckpt_path, weights_only=True)
        return test(model, datamodule, Path(cfg.output_dir)) if trainer.is_global_zero else None
    finally:
        _finish_wandb()


def test(model: "SRGAN", datamodule: "LightningDataModule", output_dir: Path) -> float:
    """Score the last and the best weights on the validation photos; write scores, picture and generator.

    Returns:
        The mean PSNR on Y of the best weights.
    """
    from srgan.evaluation import CONVENTION, evaluate, score_table
    from srgan.files import atomic_write
    from srgan.images import write_image
    from srgan.weights import load_generator, save_generator

    last = _generator(model.evaluated_generator).to("cpu").eval()
    generators = {"last": last}
    best_path = output_dir / "checkpoints" / "best.ckpt"
    if best_path.is_file():
        generators = {"best": load_generator(best_path), "last": last}
    scores, comparison = evaluate(generators, datamodule.test_dataloader())

    weights_path, scores_path = output_dir / "generator.safetensors", output_dir / "scores.json"
    picture_path = output_dir / "samples" / "comparison.png"
    save_generator(weights_path, last)
    write_image(picture_path, comparison)
    content = {"convention": CONVENTION, "content_weights": _content_weights(model), "scores": scores}
    with atomic_write(scores_path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"\n{score_table(scores)}\n\nScores      {_shown(scores_path)}\nComparison  {_shown(picture_path)}")
    print(f"Weights     {_shown(weights_path)}\n\nNext: {_predict_command(weights_path)}")
    return scores[next(iter(generators))]["mean"]["psnr_y"]


def _quieten() -> None:
    """Leave on the console what a person training a network can use."""
    for name in ("lightning.pytorch", "lightning.fabric"):  # each says its settings twice, beside Hydra's handlers
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")  # Lightning's own
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


def _finish_wandb() -> None:
    # Without this, the next job of a sweep would go on in this job's run.
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.finish()


if __name__ == "__main__":
    main()
