"""What train.py says on the console: on the way what one can use, at the end what came of it and what is next."""

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
from srgan.evaluation.evaluate import Scores, score_table
from srgan.evaluation.score_file import SCORES
from srgan.system.files import disk_full
from srgan.system.program import shown

log = logging.getLogger(__name__)


def quieten() -> None:
    """Leave on the console what a person training a network can use."""
    for name in ("lightning.pytorch", "lightning.fabric"):  # their settings; the rest Hydra's handlers show
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("lightning").handlers.clear()
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # speaks only where it was asked to
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")  # Lightning's own
    # srgan.training.resume refuses to write over a run that is not gone on from.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # torch.compile looks at the gradient of whatever enters a network, so also at the generator's pictures, which have
    # none of their own and need none.
    warnings.filterwarnings("ignore", message=r"The \.grad attribute of a Tensor that is not a leaf Tensor is being")
    # Of overfit_batches, for any order that is not torch's own: that of the validation pictures is fixed.
    warnings.filterwarnings("ignore", message="You requested to overfit but enabled val dataloader shuffling")
    warnings.formatwarning = lambda message, category, *_, **__: f"{category.__name__}: {message}\n"


def announce(trainer: Trainer, output_dir: Path, *, batch_size: int) -> None:
    """Say where a run is written to and what its batch is.

    Args:
        trainer: The trainer; its first process speaks.
        output_dir: The run's folder.
        batch_size: Crops a step of one process.
    """
    if not trainer.is_global_zero:
        return
    processes = trainer.world_size
    log.info("Run folder: %s", output_dir)
    log.info("Effective batch: %d (%d a process, %d processes)", batch_size * processes, batch_size, processes)
    log.info("Learning rates are as configured, not scaled with the batch")


def scores_summary(output_dir: Path, scores: Scores) -> str:
    """The scores as a table, and where they and the comparison picture are."""
    lines = [f"{what:<12}{shown(output_dir / file)}" for what, file in (("Scores", SCORES), ("Comparison", COMPARISON))]
    return "\n".join([f"\n{score_table(scores, read_convention(output_dir))}\n", *lines])


def run_summary(output_dir: Path, scores: Scores, *, predict: Sequence[str]) -> str:
    """As ``scores_summary``, with the weights that a run leaves and what to do with them."""
    weights = output_dir / WEIGHTS
    next_command = _predict_command(weights, predict)
    return f"{scores_summary(output_dir, scores)}\nWeights     {shown(weights)}\n\nNext: {next_command}"


@contextmanager
def telling_where_it_stopped(
    trainer: Trainer, output_dir: Path, *, program: Sequence[str], arguments: Sequence[str]
) -> Iterator[None]:
    """Where a run is stopped, or the disk is full, say at what step, and how to go on.

    Args:
        trainer: The trainer; its first process speaks.
        output_dir: The run's folder.
        program: The words that start training, before its settings.
        arguments: The command line.

    Raises:
        ValueError: In place of the error of a full disk; names the file, and what to do.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if trainer.is_global_zero:
            how = _how_to_go_on(output_dir, program, arguments)
            print(f"\nStopped at step {trainer.global_step}. {how}", file=sys.stderr)  # noqa: T201
        raise
    except Exception as error:
        full = disk_full(error)
        if full is None:
            raise
        raise ValueError(
            f"No space left for {full.filename or f'a file in {output_dir}'}: stopped at step {trainer.global_step}."
            f" Make some. {_how_to_go_on(output_dir, program, arguments)}"
        ) from error


def _how_to_go_on(output_dir: Path, program: Sequence[str], arguments: Sequence[str]) -> str:
    if not (output_dir / "checkpoints" / "last.ckpt").is_file():
        return "There is no checkpoint yet: the same command begins anew."
    same = [each for each in arguments if not each.startswith(("ckpt_path=", "resume="))]
    return f"Go on with: {shlex.join([*program, *same, f'ckpt_path={shown(output_dir)}'])}"


def _predict_command(weights: Path, program: Sequence[str]) -> str:
    photo = str(files("srgan") / "assets" / "photos" / "val" / "chelsea.png")
    return shlex.join([*program, f"ckpt={shown(weights)}", f"input={shown(photo)}", "output=out"])
