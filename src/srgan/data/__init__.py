"""Photos in, aligned HR/LR pairs out."""

from srgan.data.datamodule import SuperResolutionDataModule

__all__ = ["SuperResolutionDataModule"]
