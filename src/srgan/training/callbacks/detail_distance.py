"""Measures at each validation, cheaply, how close the details come to the eye's view."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn

from srgan.pictures.sheet import most_detailed_window


class DetailDistance(Callback):
    """Log ``val/detail_distance``: the content loss of each picture's most detailed window, as the mean over pictures.

    It stands in for perception, where PSNR and SSIM measure distortion; lower is better. The closing test measures
    whole pictures, which would take longer here than the validation itself. Nothing is logged without a content loss.

    Args:
        window_size: Side of the window in pixels of the HR picture; smaller pictures are measured whole.

    Raises:
        ValueError: If the window is smaller than VGG's deepest features need.
    """

    def __init__(self, *, window_size: int = 96) -> None:
        if window_size < 32:
            raise ValueError(f"Expected callbacks.detail_distance.window_size of 32 or more, got {window_size}.")
        self._window_size = window_size

    @torch.no_grad()
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure one picture: ``outputs`` is its SR, float RGB in [0, 1] of shape (1, 3, H, W)."""
        content = pl_module.generator_loss.content  # type: ignore[union-attr] # a GeneratorLoss
        if content is None:
            return
        assert isinstance(content, nn.Module)
        # Half a window is step enough to find detail, and a fraction of the time of looking everywhere.
        top, left = most_detailed_window(batch["hr"].cpu(), self._window_size, step=self._window_size // 2)
        window = (..., slice(top, top + self._window_size), slice(left, left + self._window_size))
        # Its forward itself, as pictures smaller than the window would have it compiled anew, where it is compiled.
        device = pl_module.device  # which does not wait for them; MPS does, torch is not safe there
        sr, hr = (each[window].to(device, non_blocking=device.type != "mps") for each in (outputs, batch["hr"]))
        distance = content.forward(sr, hr)
        pl_module.log("val/detail_distance", distance, on_epoch=True, batch_size=1, sync_dist=True)
