"""What is done with a picture that was sent here: looked at, enlarged, shown, tried out on a crop."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Semaphore
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from srgan.inference.trust import undrawn
from srgan.pictures.browser_view import Rows, Seen, read_seen, reduce_rows
from srgan.pictures.read import read_size
from srgan.pictures.rgb import read_image, to_float, to_uint8
from srgan.prediction.enlarger import TRUST, Enlarger
from srgan.prediction.jobs import Job
from srgan.prediction.pages.looking import require_memory
from srgan.prediction.pages.page import Entry, block
from srgan.prediction.pages.review import bicubic_rows
from srgan.serve.answers import result_suffix
from srgan.serve.networks import Networks
from srgan.serve.tasks import Task
from srgan.serve.wishes import Limits, Wish
from srgan.system.files import atomic_write

TILE = 256
_TRUST_TIMES = 8  # what a trust map takes, in enlargements
_VIEWING_PIXELS = 16_000_000  # more, and a browser gets slow
_ANY_SIZE = 2**62  # pixels of a result, whose size was agreed to when it was made
_BYTES_PER_INPUT_PIXEL = 16  # as decoded and as float RGB
_BYTES_PER_RESULT_PIXEL = 8  # as decoded, of 16 bits and with alpha
_LARGEST_CROP = 96  # pixels of the input a side
_CROP_MARGIN = 24


class Work:
    """Does tasks.

    Args:
        networks: Those for whole pictures.
        previews: Those for crops; others, so that a crop does not wait for a whole picture.
        limits: What is accepted.
    """

    def __init__(self, networks: Networks, previews: Networks, limits: Limits) -> None:
        self._networks, self._previews, self._limits = networks, previews, limits
        self._seen: tuple[str, Seen] | None = None  # the picture that was tried out last
        self._crops = Semaphore()  # one at a time, and the whole picture waits meanwhile

    def tiles(self, source: Path, wish: Wish) -> int:
        """How many tiles a picture takes, by what its head says.

        Raises:
            ValueError: If it is no picture, or is too large, or cannot be made as large as is wanted.
        """
        (height, width), frames = read_size(source, max_pixels=self._limits.max_pixels)
        once = math.ceil(width / TILE) * math.ceil(height / TILE) * frames
        scale = self._networks.scale(wish.weights)
        passes = 1 if wish.size is None else wish.size.passes((height, width), scale)
        total = sum(once * scale ** (2 * number) for number in range(passes))
        tiles: int = total + (_TRUST_TIMES * once if wish.trust else 0)
        return max(tiles, 1)

    def do(self, task: Task, tick: Callable[[], None]) -> None:
        """Enlarge a picture into a file beside it."""
        wish = task.wish
        result = task.source.with_name(f"{task.id}.result{result_suffix(task.name, wish)}")
        trust = task.source.with_name(f"{task.id}{TRUST}")
        with (
            self._networks.lent(wish.weights, wish.strength) as upscaler,
            upscaler.watched(partial(self._give_way, tick)),
        ):
            enlarger = Enlarger(
                upscaler,
                format=wish.format,
                quality=wish.quality,
                max_pixels=self._limits.max_pixels,
                scratch=task.source.parent,
                size=wish.size,
            )
            job = Job(task.name, task.source, (trust, result) if wish.trust else (result,))
            for target, write in enlarger(job).items():
                with atomic_write(target) as file:
                    write(file)
        if task.result not in (None, result):
            task.result.unlink(missing_ok=True)  # of another format
        if not wish.trust:
            trust.unlink(missing_ok=True)
        task.result, task.trust = result, trust if wish.trust else None

    def view(self, task: Task) -> dict[str, Any]:
        """What the page shows of a task that is done.

        Raises:
            MemoryError: If there is too little to read it back.
        """
        assert task.result is not None
        (height, width), _ = read_size(task.source, max_pixels=self._limits.max_pixels)
        (large_height, large_width), _ = read_size(task.result, max_pixels=_ANY_SIZE)
        require_memory(height * width * _BYTES_PER_INPUT_PIXEL + large_height * large_width * _BYTES_PER_RESULT_PIXEL)
        small = read_seen(task.source, max_pixels=self._limits.max_pixels).whole()
        sr = read_seen(task.result, max_pixels=_ANY_SIZE)
        size = sr.size

        def shown(rows: Rows) -> Tensor:
            return reduce_rows(rows, size, max_pixels=_VIEWING_PIXELS)

        trust = None if task.trust is None else undrawn(read_image(task.trust), small.shape[-2:])
        entry = Entry(task.name, shown(bicubic_rows(small, size)), shown(sr.rows), trust=trust, seconds=task.seconds)
        return {**block(replace(entry, size=size)), "source": [small.shape[-1], small.shape[-2]]}

    def crop(self, task: Task, wish: Wish, *, left: int, top: int, width: int, height: int) -> Image.Image:
        """A part of a picture, in pixels of the input, as a wish would make it.

        Raises:
            ValueError: If there is no such part, or it is too large.
        """
        if self._seen is None or self._seen[0] != task.id:
            self._seen = (task.id, read_seen(task.source, max_pixels=self._limits.max_pixels))
        seen = self._seen[1]
        rows, columns = seen.size
        inside = left >= 0 and top >= 0 and left + width <= columns and top + height <= rows
        if not (inside and 0 < width <= _LARGEST_CROP and 0 < height <= _LARGEST_CROP):
            raise ValueError(
                f"Expected a part of {columns}x{rows} pixels, of at most {_LARGEST_CROP} a side, got {width}x{height}"
                f" at {left}, {top}."
            )
        first, last = max(top - _CROP_MARGIN, 0), min(top + height + _CROP_MARGIN, rows)
        start, stop = max(left - _CROP_MARGIN, 0), min(left + width + _CROP_MARGIN, columns)
        lr = to_float(torch.from_numpy(seen.rows(first, last)[:, start:stop].copy())).permute(2, 0, 1).unsqueeze(0)
        with self._crops, self._previews.lent(wish.weights, wish.strength) as upscaler:
            sr, scale = upscaler.enlarge(lr), upscaler.scale
        y, x = (top - first) * scale, (left - start) * scale
        part = sr[0, :, y : y + height * scale, x : x + width * scale]
        return Image.fromarray(to_uint8(part).permute(1, 2, 0).contiguous().numpy())

    def _give_way(self, tick: Callable[[], None]) -> None:
        """Between two tiles, let a crop that somebody looks at come first."""
        with self._crops:
            tick()
