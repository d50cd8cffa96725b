"""``srgan preview``: a sheet that shows what the data settings do.

    srgan preview data=folder data.root=/photos out=preview.png

Takes the settings of ``srgan train`` (data/degradation=real, seed=1, …), makes the run's first batch and shows crops of
HR, their bicubic LR, and the LR that the networks would get, enlarged pixel by pixel.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from srgan.commands.command_line import command_line, instantiate_data
from srgan.data import SuperResolutionDataModule
from srgan.data.preview import preview_sheet
from srgan.pictures.rgb import write_image
from srgan.system.files import show_any_name

_CANNOT_RUN = 2  # as the doctor's
_USAGE = "srgan preview data=folder data.root=/photos [out=preview.png]"
_DESCRIPTION = "Draw a sheet that shows what the data settings do. All settings are those of srgan train."


def main(arguments: Sequence[str] | None = None) -> int:
    """Compose, make a batch, write the sheet and print its path; return 2, with a message, if that fails."""
    own, settings = command_line(arguments, usage=_USAGE, description=_DESCRIPTION, own=["out"], takes_overrides=True)
    show_any_name()
    out = Path(own.get("out", "preview.png"))
    try:
        if out.suffix.lower() != ".png":
            raise ValueError(f"Expected a .png file, got out={out}.")
        # Hydra itself, which sets the output folder, does not run here; and one batch needs no workers.
        overrides = ["output_dir=.", "data.num_workers=0", *settings]
        datamodule: SuperResolutionDataModule = instantiate_data(overrides, usage=_USAGE)
        datamodule.setup("fit")
        batch = datamodule.on_after_batch_transfer(next(iter(datamodule.train_dataloader())), 0)
        write_image(out, preview_sheet(batch))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return _CANNOT_RUN
    print(out)
    return 0
