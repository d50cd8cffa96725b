"""A sheet that shows what the data settings do."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import interpolate

from srgan.pictures.resize import downscale
from srgan.pictures.sheet import Panel, comparison_sheet

_NUM_ROWS, _NUM_COLUMNS = 4, 2  # of triples
_PANEL_SIZE = 192  # pixels, roughly


def preview_sheet(batch: Mapping[str, Tensor]) -> Tensor:
    """Lay out original, bicubic LR and training LR of the first samples.

    Args:
        batch: ``lr`` (N, 3, h, w) and ``hr`` (N, 3, scale * h, scale * w), float RGB in [0, 1].

    Returns:
        Shape (1, 3, H, W).
    """
    triples = [_triple(lr[None], hr[None]) for lr, hr in zip(batch["lr"], batch["hr"], strict=True)]
    num_rows = max(1, min(_NUM_ROWS, len(triples) // _NUM_COLUMNS))
    num_columns = min(_NUM_COLUMNS, len(triples))
    triples = triples[: num_rows * num_columns]
    rows = [triples[start : start + num_columns] for start in range(0, len(triples), num_columns)]
    return comparison_sheet([[panel for triple in row for panel in triple] for row in rows])


def _triple(lr: Tensor, hr: Tensor) -> list[Panel]:
    scale = hr.shape[-1] // lr.shape[-1]
    factor = max(1, round(_PANEL_SIZE / hr.shape[-1]))
    return [
        Panel("original", interpolate(hr, scale_factor=factor)),
        Panel("bicubic LR", interpolate(downscale(hr, scale).clamp(0, 1), scale_factor=factor * scale)),
        Panel("LR to train on", interpolate(lr, scale_factor=factor * scale)),
    ]
