"""Checks of the data module's arguments, before any photo is searched for; the messages name the settings."""

from collections.abc import Sequence

from srgan.data.degradations import Degradation
from srgan.data.photos.sources import Source

MIN_VAL_SIZE = 48  # pixels: SSIM's window, and borders cropped off at the largest scale, must fit
_MIN_CROP_SIZE = 32


def check_sizes(
    *,
    scale: int,
    batch_size: int,
    num_crop_candidates: int,
    hr_crop_size: int,
    hr_reductions: Sequence[float],
    cache_gigabytes: float,
) -> None:
    """Raise ValueError for a size out of range; the arguments are the data module's."""
    if scale == 1:
        raise ValueError("Expected data.scale of 2 or more, got 1: training is for networks that enlarge.")
    counts = {"scale": scale, "batch_size": batch_size, "num_crop_candidates": num_crop_candidates}
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected data.{name} to be a whole number of 1 or more, got {value!r}.")
    if not isinstance(hr_crop_size, int) or hr_crop_size % scale or hr_crop_size < _MIN_CROP_SIZE:
        raise ValueError(
            f"Expected data.hr_crop_size to be a multiple of the scale {scale} of at least {_MIN_CROP_SIZE}, which"
            f" the discriminator needs, got {hr_crop_size!r}."
        )
    if not hr_reductions or any(not isinstance(factor, int | float) or factor < 1 for factor in hr_reductions):
        raise ValueError(f"Expected data.hr_reductions to be numbers of 1 or more, got {hr_reductions!r}.")
    if cache_gigabytes < 0:
        raise ValueError(f"Expected data.cache_gigabytes of 0 (off) or more, got {cache_gigabytes!r}.")


def check_lr_is_made(degradation: Degradation | None, hr_reductions: Sequence[float], train: Sequence[Source]) -> None:
    """Raise ValueError if training photos have LR files and are to be degraded or reduced."""
    if all(source.lr_root is None for source in train):
        return
    where = "where data.lr_root, or the layout of data.root, gives the LR"
    if list(hr_reductions) != [1]:
        raise ValueError(f"Expected data.hr_reductions=[1] {where}.")
    if degradation is not None:
        raise ValueError(f"Expected data/degradation=bicubic {where}.")
