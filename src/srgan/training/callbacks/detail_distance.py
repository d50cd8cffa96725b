"""Measures a perceptual distance at each validation, cheaply: in the most detailed window of each photo."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn

from srgan.pictures.sheet import most_detailed_window


class DetailDistance(Callback):
    """Log ``val/detail_distance``: the content loss of each photo's most detailed window, as the mean over photos.

    It measures perception, as PSNR and SSIM measure distortion; lower is better. Whole photos, as in the closing test,
    would take longer than the validation itself. Nothing is logged without a content loss.

    Args:
        window_size: Side of the window in HR pixels; smaller photos are measured whole.

    Raises:
        ValueError: If the window is smaller than VGG's deepest features need.
    """

    def __init__(self, *, window_size: int = 96) -> None:
        if window_size < 32:
            raise ValueError(f"Expected callbacks.detail_distance.window_size of 32 or more, got {window_size}.")
        self._window_size = window_size

    @torch.no_grad()
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: dict[str, Any], *_: Any
    ) -> None:
        """Measure one photo: ``outputs`` is its SR, float RGB in [0, 1] of shape (1, 3, H, W)."""
        content = pl_module.generator_loss.content  # type: ignore[union-attr] # a GeneratorLoss
        if content is None:
            return
        assert isinstance(content, nn.Module)
        # Steps of half a window are fine enough to find detail, and much faster than looking everywhere.
        top, left = most_detailed_window(batch["hr"].cpu(), self._window_size, step=self._window_size // 2)
        window = (..., slice(top, top + self._window_size), slice(left, left + self._window_size))
        # `forward`, which is not compiled: photos smaller than the window would be compiled for each size.
        device = pl_module.device  # copies to MPS are waited for: those that are not are unsafe in torch
        sr, hr = (each[window].to(device, non_blocking=device.type != "mps") for each in (outputs, batch["hr"]))
        distance = content.forward(sr, hr)
        pl_module.log("val/detail_distance", distance, on_epoch=True, batch_size=1, sync_dist=True)
