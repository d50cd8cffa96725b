"""Pictures side by side with captions, for people to compare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from srgan.pictures.rgb import to_uint8

_CAPTION_HEIGHT = 26
_GAP = 6
_FONT_SIZE = 15


@dataclass(frozen=True)
class Panel:
    """A picture, float RGB in [0, 1] of shape (1, 3, H, W), and what to write below it."""

    caption: str
    image: Tensor


def comparison_sheet(rows: Sequence[Sequence[Panel]]) -> Tensor:
    """Lay captioned pictures out in a table.

    Args:
        rows: Rows of panels, all of one length; the panels of a row are of one size.

    Returns:
        Float RGB in [0, 1], shape (1, 3, H, W).
    """
    widths = [max(row[column].image.shape[-1] for row in rows) for column in range(len(rows[0]))]
    heights = [row[0].image.shape[-2] + _CAPTION_HEIGHT for row in rows]
    size = (sum(widths) + _GAP * (len(widths) - 1), sum(heights) + _GAP * (len(heights) - 1))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for panel, width in zip(row, widths, strict=True):
            pixels = to_uint8(panel.image[0]).permute(1, 2, 0).cpu().numpy()
            sheet.paste(Image.fromarray(pixels), (left, top))
            anchor = (left + panel.image.shape[-1] // 2, top + height - _CAPTION_HEIGHT // 2)
            draw.text(anchor, panel.caption, fill="black", font=font, anchor="mm")
            left += width + _GAP
        top += height + _GAP
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1).unsqueeze(0) / 255


def most_detailed_window(hr: Tensor, size: int, *, step: int) -> tuple[int, int]:
    """Where a picture has the most fine detail, so that a comparison shows something.

    Args:
        hr: Float RGB in [0, 1], shape (1, 3, H, W).
        size: Side of the window in pixels.
        step: The window's top and left are multiples of this.

    Returns:
        Top and left in pixels; (0, 0) for a picture smaller than the window.
    """
    if min(hr.shape[-2:]) < size:
        return 0, 0
    luma = hr.mean(dim=1, keepdim=True)
    fine = (luma - avg_pool2d(luma, 5, stride=1, padding=2, count_include_pad=False)).abs()
    columns = avg_pool2d(fine, (size, 1), stride=(step, 1))  # first down, then across: a hundred times less work
    detail = avg_pool2d(columns, (1, size), stride=(1, step))[0, 0]
    top, left = divmod(int(detail.argmax()), detail.shape[1])
    return top * step, left * step
