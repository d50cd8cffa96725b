"""What happens around the training steps: checkpoints, pictures, progress."""

from srgan.callbacks.checkpoint import BestCheckpoint, LastCheckpoint
from srgan.callbacks.flight_recorder import FlightRecorder
from srgan.callbacks.pictures import ValidationPictures
from srgan.callbacks.progress import StepProgressBar
from srgan.callbacks.settings import Settings
from srgan.callbacks.throughput import Throughput

__all__ = [
    "BestCheckpoint",
    "FlightRecorder",
    "LastCheckpoint",
    "Settings",
    "StepProgressBar",
    "Throughput",
    "ValidationPictures",
]
