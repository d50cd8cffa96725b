"""Training: the Lightning module and what happens around its steps: updates, moving average, callbacks, resuming."""

from srgan.training.module import SRGAN
from srgan.training.trainer import build_trainer

__all__ = ["SRGAN", "build_trainer"]
