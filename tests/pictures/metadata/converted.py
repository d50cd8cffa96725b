"""A picture file enlarged by repeating its pixels and written in another format, for what goes with the pixels."""

from pathlib import Path

from torch import Tensor

from srgan.inference.channels import upscale_picture
from srgan.pictures import read_pictures, write_pictures

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "avif": ".avif", "tiff": ".tif"}


def enlarge(lr: Tensor) -> Tensor:
    return lr.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


def convert(source: Path, format: str = "png", *, suffix: str | None = None) -> Path:
    """Write ``out/x`` beside a file, with the format's own ending unless another is given."""
    target = source.parent / "out" / f"x{suffix or SUFFIXES[format]}"
    frames = [upscale_picture(frame, enlarge) for frame in read_pictures(source, max_pixels=10**6)]
    write_pictures(target, frames, format=format, quality=95)
    return target
