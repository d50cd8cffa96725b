"""Train a super-resolution GAN: compose, seed, instantiate, fit, test. Settings: conf/train.yaml."""

import json
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from lightning import LightningDataModule, Trainer

    from srgan.module import SRGAN

log = logging.getLogger("train")


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Run, and turn what a user can mend into one message instead of a traceback."""
    try:
        return train(cfg)
    except (ValueError, FileNotFoundError, InstantiationException) as error:
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

    from srgan.weights import load_into, read_checkpoint

    torch.set_float32_matmul_precision("high")
    if cfg.ckpt_path is not None:
        read_checkpoint(Path(cfg.ckpt_path))  # says what is wrong before anything is built
    seed_everything(cfg.seed, workers=True, verbose=False)

    datamodule: LightningDataModule = instantiate(cfg.data, _convert_="all")
    model: SRGAN = instantiate(cfg.model, _convert_="all")
    if cfg.generator_weights is not None:
        load_into(model.generator, Path(cfg.generator_weights))
    callbacks = [instantiate(each) for each in cfg.callbacks.values()]
    loggers = [instantiate(each) for each in cfg.logger.values()]
    trainer: Trainer = instantiate(cfg.trainer, _convert_="all", callbacks=callbacks, logger=loggers)

    try:
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
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
    from srgan.images import write_image
    from srgan.weights import load_generator, save_generator

    last = model.generator.to("cpu").eval()
    generators = {"last": last}
    best_path = output_dir / "checkpoints" / "best.ckpt"
    if best_path.is_file():
        generators = {"best": load_generator(best_path), "last": last}
    scores, comparison = evaluate(generators, datamodule.test_dataloader())

    weights_path, picture_path = output_dir / "generator.safetensors", output_dir / "samples" / "comparison.png"
    save_generator(weights_path, last)
    write_image(picture_path, comparison)
    _write_scores(output_dir / "scores.json", {"convention": CONVENTION, "scores": scores})
    print(f"\n{score_table(scores)}\n\nScores      {output_dir / 'scores.json'}\nComparison  {picture_path}")
    print(f"Weights     {weights_path}\n\nNext: {_predict_command(weights_path)}")
    return scores[next(iter(generators))]["mean"]["psnr_y"]


def _write_scores(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _predict_command(weights: Path) -> str:
    path = os.path.relpath(weights)
    return f"python predict.py {shlex.quote(f'ckpt={path}')} input=your_photo.jpg output=out"


def _finish_wandb() -> None:
    # Without this, the next job of a sweep would go on in this job's run.
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.finish()


if __name__ == "__main__":
    main()
