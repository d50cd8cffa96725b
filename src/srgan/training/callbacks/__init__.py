"""What happens around the training steps: checkpoints, pictures, progress."""

from srgan.training.callbacks.checkpoint import BestCheckpoint, LastCheckpoint
from srgan.training.callbacks.detail_distance import DetailDistance
from srgan.training.callbacks.flight_recorder import FlightRecorder
from srgan.training.callbacks.pictures import ValidationPictures
from srgan.training.callbacks.plateau import Plateau
from srgan.training.callbacks.progress import StepProgressBar
from srgan.training.callbacks.settings import Settings
from srgan.training.callbacks.snapshots import Snapshots
from srgan.training.callbacks.throughput import Throughput

__all__ = [
    "BestCheckpoint",
    "DetailDistance",
    "FlightRecorder",
    "LastCheckpoint",
    "Plateau",
    "Settings",
    "Snapshots",
    "StepProgressBar",
    "Throughput",
    "ValidationPictures",
]
