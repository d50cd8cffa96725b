"""A picture sheet of what the data settings do: python -m srgan.data.preview data=folder data.root=… out=preview.png.

Takes train.py's overrides (data/degradation=real, seed=1, …), makes the run's first batch and shows crops of HR, their
bicubic LR, and the LR that the networks would get, enlarged pixel by pixel.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from srgan.data.command_line import command_line, instantiate_data
from srgan.data.datamodule import SuperResolutionDataModule
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import write_image
from srgan.pictures.sheet import Panel, comparison_sheet
from srgan.system.files import show_any_name

_CANNOT_RUN = 2  # as the doctor's
_USAGE = "python -m srgan.data.preview data=folder data.root=/photos [out=preview.png]"
_NUM_ROWS, _NUM_COLUMNS = 4, 2  # of triples
_PANEL_SIZE = 192  # pixels, at least


def main(arguments: Sequence[str] | None = None) -> int:
    """Compose, take a batch, write the sheet, say where; 2 and what is wrong where that cannot be."""
    settings, name = command_line(arguments, usage=_USAGE, description="A picture sheet of what the data settings do.")
    show_any_name()
    out = Path("preview.png" if name is None else name)
    try:
        if out.suffix.lower() != ".png":
            raise ValueError(f"Expected a .png file, got out={out}.")
        # Some values come from Hydra itself, which is not run here; and reading pictures needs no workers.
        overrides = ["output_dir=.", "data.num_workers=0", *settings]
        datamodule: SuperResolutionDataModule = instantiate_data(overrides, usage=_USAGE)
        datamodule.setup("fit")
        batch = datamodule.on_after_batch_transfer(next(iter(datamodule.train_dataloader())), 0)
        write_image(out, preview_sheet(batch))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return _CANNOT_RUN
    print(out)  # noqa: T201 - a command
    return 0


def preview_sheet(batch: Mapping[str, Tensor]) -> Tensor:
    """Triples of original, bicubic and given LR.

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
        Panel("original", _enlarged(hr, factor)),
        Panel("bicubic LR", _enlarged(downscale(hr, scale).clamp(0, 1), factor * scale)),
        Panel("LR to train on", _enlarged(lr, factor * scale)),
    ]


def _enlarged(image: Tensor, factor: int) -> Tensor:
    return image.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)


if __name__ == "__main__":
    sys.exit(main())
