"""What training prints: useful messages only, and at the end the scores and the next command."""

import logging
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from lightning import Trainer

from srgan.evaluation.closing_test import COMPARISON, WEIGHTS, read_convention
from srgan.evaluation.score_file import SCORES
from srgan.evaluation.scorecard import Scores
from srgan.evaluation.table import score_table
from srgan.system.files import disk_full
from srgan.system.program import shown

log = logging.getLogger(__name__)


def quieten() -> None:
    """Silence messages that are of no use to a person who trains a network."""
    for name in ("lightning.pytorch", "lightning.fabric"):  # Hydra's handlers show the rest
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning").handlers.clear()
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # only if one was asked for
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")  # Lightning's own
    # srgan.training.resume refuses to write over a run that is not being resumed.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # torch.compile reads the gradient of every input of a network, so also of the generator's images, which need none.
    warnings.filterwarnings("ignore", message=r"The \.grad attribute of a Tensor that is not a leaf Tensor is being")
    # overfit_batches says so of every sampler of ours; the order of the validation photos is fixed all the same.
    warnings.filterwarnings("ignore", message="You requested to overfit but enabled val dataloader shuffling")
    warnings.formatwarning = lambda message, category, *_, **__: f"{category.__name__}: {message}\n"


def announce(trainer: Trainer, output_dir: Path, *, batch_size: int) -> None:
    """Log where a run is written to and its effective batch.

    Args:
        trainer: The trainer; only its first process logs.
        output_dir: The run's folder.
        batch_size: Crops per process and step.
    """
    if not trainer.is_global_zero:
        return
    processes = trainer.world_size
    log.info("Run folder: %s", output_dir)
    log.info("Effective batch: %d (%d per process, %d processes)", batch_size * processes, batch_size, processes)
    log.info("Learning rates are as configured, not scaled with the batch")


def scores_summary(output_dir: Path, scores: Scores) -> str:
    """The scores as a table, and where they and the comparison sheet are."""
    lines = [f"{what:<12}{shown(output_dir / file)}" for what, file in (("Scores", SCORES), ("Comparison", COMPARISON))]
    return "\n".join([f"\n{score_table(scores, read_convention(output_dir))}\n", *lines])


def run_summary(output_dir: Path, scores: Scores, *, predict: Sequence[str]) -> str:
    """As ``scores_summary``, with the run's weights and the command that uses them."""
    weights = output_dir / WEIGHTS
    next_command = _predict_command(weights, predict)
    return f"{scores_summary(output_dir, scores)}\nWeights     {shown(weights)}\n\nNext: {next_command}"


@contextmanager
def telling_where_it_stopped(
    trainer: Trainer, output_dir: Path, *, program: Sequence[str], arguments: Sequence[str]
) -> Iterator[None]:
    """If a run is stopped or the disk is full, say at which step, and how to resume.

    Args:
        trainer: The trainer; only its first process prints.
        output_dir: The run's folder.
        program: The words that start training, before its settings.
        arguments: The command line.

    Raises:
        ValueError: Instead of the error of a full disk; names the file and what to do.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if trainer.is_global_zero:
            how = _how_to_resume(output_dir, program, arguments)
            print(f"\nStopped at step {trainer.global_step}. {how}", file=sys.stderr)  # noqa: T201
        raise
    except Exception as error:
        full = disk_full(error)
        if full is None:
            raise
        raise ValueError(
            f"No space left for {full.filename or f'a file in {output_dir}'}: stopped at step {trainer.global_step}."
            f" Free some. {_how_to_resume(output_dir, program, arguments)}"
        ) from error


def _how_to_resume(output_dir: Path, program: Sequence[str], arguments: Sequence[str]) -> str:
    if not (output_dir / "checkpoints" / "last.ckpt").is_file():
        return "There is no checkpoint yet: the same command starts over."
    same = [each for each in arguments if not each.startswith(("ckpt_path=", "resume="))]
    return f"Resume with: {shlex.join([*program, *same, f'ckpt_path={shown(output_dir)}'])}"


def _predict_command(weights: Path, program: Sequence[str]) -> str:
    photo = str(files("srgan") / "assets" / "photos" / "val" / "chelsea.png")
    return shlex.join([*program, f"ckpt={shown(weights)}", f"input={shown(photo)}", "output=out"])
