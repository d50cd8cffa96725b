"""Keeps the generators of the last validations, to choose the best by more than one score."""

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from srgan.weights import save_generator


class Snapshots(Callback):
    """Write ``step_<step>.safetensors`` at each validation and keep the newest few.

    The training fluctuates: the last weights are seldom the best, and those with the highest PSNR have the least
    texture. ``python -m benchmarks.realism`` compares the files.

    Args:
        dirpath: Folder of the files.
        num_kept: Files to keep, 0 for none.

    Raises:
        ValueError: If ``num_kept`` is negative.
    """

    def __init__(self, *, dirpath: str | Path, num_kept: int) -> None:
        if num_kept < 0:
            raise ValueError(f"Expected callbacks.snapshots.num_kept of 0 or more, got {num_kept}.")
        self._dirpath = Path(dirpath)
        self._num_kept = num_kept

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one file and remove the oldest beyond ``num_kept``."""
        if trainer.sanity_checking or not trainer.is_global_zero or not self._num_kept:
            return
        self._dirpath.mkdir(parents=True, exist_ok=True)
        path = self._dirpath / f"step_{trainer.global_step:07d}.safetensors"
        metadata = {"steps": str(trainer.global_step)}
        save_generator(path, pl_module.evaluated_generator, metadata=metadata, half=True)  # type: ignore[arg-type]
        for surplus in sorted(self._dirpath.glob("step_*.safetensors"))[: -self._num_kept]:
            surplus.unlink()
