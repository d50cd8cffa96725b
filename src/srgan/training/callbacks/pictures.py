"""Sheets of validation photos that show progress: LR | bicubic | SR | HR."""

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor
from torch.nn.functional import interpolate

from srgan.pictures.resize import upscale
from srgan.pictures.rgb import write_image
from srgan.pictures.sheet import Panel, comparison_sheet, most_detailed_window


class ValidationPictures(Callback):
    """Write ``step_<n>.png`` at each validation, and log it to W&B if that is on.

    Args:
        dirpath: Folder of the sheets.
        num_pictures: How many validation photos to show, the first of process 0.
        window_size: Side of the window shown, in HR pixels.
    """

    def __init__(self, *, dirpath: str | Path, num_pictures: int = 4, window_size: int = 192) -> None:
        self._dirpath = Path(dirpath)
        self._num_pictures = num_pictures
        self._window_size = window_size
        self._rows: list[list[Panel]] = []

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], batch_idx: int, *_: Any
    ) -> None:
        """Keep a window of the first photos."""
        if trainer.is_global_zero and batch_idx < self._num_pictures:
            self._rows.append(self._row(batch["lr"].cpu(), outputs, batch["hr"].cpu()))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and log the sheet."""
        rows, self._rows = self._rows, []
        if not rows or trainer.state.fn != "fit":
            return
        path = self._dirpath / f"step_{trainer.global_step:07d}.png"
        write_image(path, comparison_sheet(rows))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("val/pictures", [str(path)], step=trainer.global_step - 1)  # the scores' step

    def _row(self, lr: Tensor, sr: Tensor, hr: Tensor) -> list[Panel]:
        scale = hr.shape[-1] // lr.shape[-1]
        top, left = most_detailed_window(hr, self._window_size, step=scale)
        rows, columns = slice(top, top + self._window_size), slice(left, left + self._window_size)
        pictures = {
            "LR": interpolate(lr, scale_factor=scale, mode="nearest"),
            "bicubic": upscale(lr, scale),
            "SR": sr,
            "HR": hr,
        }
        return [Panel(caption, picture[..., rows, columns]) for caption, picture in pictures.items()]
