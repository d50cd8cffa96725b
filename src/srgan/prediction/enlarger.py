"""One picture file, start to finish: read with all it holds, enlarged, ready to be written."""

import errno
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image
from torch import Tensor

from srgan.inference import new_canvas
from srgan.inference.channels import fill_transparent, upscale_picture
from srgan.inference.upscaler import Upscaler
from srgan.pictures import Picture, colours_lost, read_pictures, require_quality, require_writable, write_pictures
from srgan.pictures.rgb import to_uint8
from srgan.prediction.jobs import Job
from srgan.prediction.look_ahead import Batches
from srgan.prediction.sizes import Size, shrink_to
from srgan.system.device import available_memory

TRUST = ".trust.png"  # behind a picture's name: the name of its trust map
_SHARE = 0.25  # of the free memory: a larger canvas lies in a file


class ColoursLostWarning(UserWarning):
    """The result cannot say what the file said of its colours; the message names the file."""


class NothingEnlargedWarning(UserWarning):
    """A picture is as large already as its result is to be; the message names the file."""


class Enlarger:
    """Enlarges picture files with one network and one way of writing.

    Args:
        upscaler: The network.
        format: ``same``, ``png``, ``jpg``, ``webp``, ``avif`` or ``tiff``.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        png_level: Of PNG, 1 (fast) to 9 (small).
        max_pixels: The most pixels a file may have.
        scratch: A folder for results that are too large for the memory.
        size: How large the results are to be; None for what the network gives.

    Raises:
        ValueError: If there is no such quality or level, or a size is asked of a network of scale 1.
    """

    def __init__(
        self,
        upscaler: Upscaler,
        *,
        format: str,
        quality: int,
        max_pixels: int,
        scratch: Path,
        png_level: int = 1,
        size: Size | None = None,
    ) -> None:
        require_quality(quality, png_level)  # once, rather than of each picture
        if size is not None and upscaler.scale == 1:
            raise ValueError(
                f"Expected no size= with a network that restores pictures and leaves their size, got size={size.text}:"
                " its scale is 1."
            )
        self._size = size
        self._upscaler, self._max_pixels = upscaler, max_pixels
        self._room = partial(make_canvas, scratch=scratch)
        self._batches = Batches(upscaler, max_pixels=max_pixels)
        self.look_ahead = self._batches.look_ahead  # how many of the jobs to come it has use for
        self.seconds: dict[str, float] = {}  # by the job's name, of those done
        self._num_bytes: dict[str, int] = {}  # of results that nobody asked the size of yet
        self._format = format
        self._write = partial(write_pictures, format=format, quality=quality, png_level=png_level)

    def __call__(self, job: Job, ahead: Sequence[Job] = ()) -> dict[Path, Callable[[BinaryIO], None]]:
        """Enlarge a job's input; for each of its targets, how to write it.

        Args:
            job: The job.
            ahead: Jobs to come, of which the small ones may be computed together with this one.

        Raises:
            ValueError: If the input cannot be read, or its result not be held by the format.
            OSError: If the input cannot be read, or there is no room for the result.
        """
        start = time.perf_counter()
        lr = self._batches.frames(job.source, [other.source for other in ahead])
        sr = self._enlarge(lr, str(job.source))
        self.seconds[job.name] = time.perf_counter() - start + self._batches.settle(job.source)
        self._num_bytes[job.name] = sum(frame.rgb.nbytes for frame in sr)
        writers: dict[Path, Callable[[BinaryIO], None]] = {}
        for target in job.targets[:-1]:
            writers[target] = partial(_write_png, self._trust_map(lr[0], sr[0]))
        return {**writers, job.picture: partial(self._write, frames=sr)}

    def num_bytes(self, job: Job) -> int:
        """How much memory the result of a job takes, once after it was enlarged; 0 if there is none."""
        return self._num_bytes.pop(job.name, 0)

    def stream(self, source: BinaryIO, target: BinaryIO) -> None:
        """Enlarge the picture that one stream holds into another. Raises as above."""
        lr = read_pictures(source, max_pixels=self._max_pixels, scale=self._upscaler.scale)
        self._write(target, frames=self._enlarge(lr, "The stream"))

    def _trust_map(self, lr: Picture, sr: Picture) -> Tensor:
        """The map of what the network does in one go, whatever is made of that."""
        if self._size is not None and self._size.passes(lr.size, self._upscaler.scale) == 0:
            raise ValueError(
                f"Expected no trust map of a picture that is as large as size={self._size.text} already: the network"
                " invents nothing in it. Set trust_map=false, or a larger size."
            )
        once = sr if self._size is None else upscale_picture(lr, self._onto(lr.level_type), room=self._room)
        return self._upscaler.trust_map(_colours(lr), once.rgb)

    def _enlarge(self, lr: Sequence[Picture], name: str) -> list[Picture]:
        side = max(max(self._wanted(frame.size, name)) for frame in lr)
        written = require_writable(lr, format=self._format, side=side)  # before the work, not after it
        if lost := colours_lost(lr[0], format=written):
            warnings.warn(f"{name}: {lost}.", ColoursLostWarning, stacklevel=3)
        sr = []
        for frame in lr:
            passes = 1 if self._size is None else self._size.passes(frame.size, self._upscaler.scale)
            large = frame
            for left in reversed(range(passes)):
                # In the file's own levels a picture takes a quarter or half of float's room; between two enlargements
                # nothing is rounded.
                dtype = frame.level_type if left == 0 else torch.float32
                large = upscale_picture(large, self._onto(dtype), room=self._room)
            sr.append(large if self._size is None else shrink_to(self._size, large, of=frame, room=self._room))
        return sr

    def _wanted(self, size: tuple[int, int], name: str) -> tuple[int, int]:
        """Height and width of the result of a picture of a size; whether they can be reached is looked at, too."""
        scale = self._upscaler.scale
        if self._size is None:
            return size[0] * scale, size[1] * scale
        wanted = self._size.of(size)
        if self._size.passes(size, scale) == 0:
            warnings.warn(
                f"{name} has {size[1]}x{size[0]} pixels, so size={self._size.text} takes no network: it is resized to"
                f" {wanted[1]}x{wanted[0]} by bicubic alone.",
                NothingEnlargedWarning,
                stacklevel=4,
            )
        return wanted

    def _onto(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """The network, its results on a canvas of a type."""
        return partial(self._batches.enlarge, out=partial(self._room, dtype=dtype))


def make_canvas(shape: tuple[int, ...], *, dtype: torch.dtype, scratch: Path) -> Tensor:
    """Room for a picture: in memory, or in a nameless file where that is short.

    Args:
        shape: (1, C, height, width).
        dtype: ``torch.uint8``, ``torch.uint16`` or ``torch.float32``.
        scratch: The folder of the file; of a disk, not of memory.

    Returns:
        A tensor of that shape; its values lie row by row, pixel by pixel.

    Raises:
        OSError: If the disk has no room for it.
    """
    _, channels, height, width = shape
    num_values = channels * height * width
    num_bytes = num_values * dtype.itemsize
    left = available_memory(torch.device("cpu"))
    canvas = partial(new_canvas, 1, -(-num_values // 3), dtype=dtype)  # its values are in one run, three a pixel
    if left is None or num_bytes <= _SHARE * left:
        run = canvas()
    elif num_bytes > shutil.disk_usage(scratch).free:  # a mapped file that finds no room ends the process
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(scratch))
    else:
        # Without its name the file lasts as long as its mapping: nothing is left behind, not even by a kill.
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".srgan-canvas-", ignore_cleanup_errors=True) as folder:
            run = canvas(file=Path(folder) / "canvas")
    values = run.permute(0, 2, 3, 1).view(-1)[:num_values]
    return values.view(height, width, channels).permute(2, 0, 1).unsqueeze(0)


def _colours(picture: Picture) -> Tensor:
    """What the network was given of a picture's colours."""
    return picture.rgb if picture.alpha is None else fill_transparent(picture.rgb, picture.alpha)


def _write_png(image: Tensor, file: BinaryIO) -> None:
    Image.fromarray(to_uint8(image[0]).permute(1, 2, 0).numpy()).save(file, format="PNG", compress_level=1)
