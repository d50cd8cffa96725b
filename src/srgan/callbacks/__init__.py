"""What happens around the training steps: checkpoints, pictures, progress."""

from srgan.callbacks.checkpoint import BestCheckpoint, LastCheckpoint
from srgan.callbacks.detail_distance import DetailDistance
from srgan.callbacks.flight_recorder import FlightRecorder
from srgan.callbacks.pictures import ValidationPictures
from srgan.callbacks.plateau import Plateau
from srgan.callbacks.progress import StepProgressBar
from srgan.callbacks.settings import Settings
from srgan.callbacks.snapshots import Snapshots
from srgan.callbacks.throughput import Throughput

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
