"""What the doctor can find: stable names, their meanings, and advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Name → meaning, advice; {…} is one of the finding's values. The names are stable: people script against the JSON.
_MEANINGS: Mapping[str, tuple[str, str]] = {
    "unreadable": ("cannot be read as a picture", "replace or remove it"),
    "truncated": ("is cut off", "copy or download it again"),
    "other_kind": ("of an unsupported kind", "save it as PNG or JPEG, or move it away"),
    "closed_folder": ("cannot be opened", "change its permissions, or move it away"),
    "too_small": ("smaller than a crop", "remove it, or set a smaller data.hr_crop_size"),
    "duplicate": ("the same pixels as another", "remove one of the two: it is drawn twice as often"),
    "near_duplicate": ("nearly the same picture as another", "look at both and keep the better one"),
    "leakage": ("on both sides of the split", "remove it from one side: it makes validation scores too good"),
    "upscaled": (
        "has been enlarged before",
        "use the original, or data.hr_reductions=[{factor}] to train at 1/{factor} size",
    ),
    "missing_partner": ("has no partner", "add the partner, or remove the file"),
    "size_mismatch": ("HR is not LR times the scale", "set scale to match, or make the LR picture again"),
    "other_picture": ("HR and LR show different pictures", "correct the names of the two files"),
    "shifted": ("LR is shifted against HR", "make LR again, or leave out data.lr_root to have it made from HR"),
    "kernel": ("LR was not made by MATLAB's bicubic", "do not compare scores with papers, or leave out data.lr_root"),
    "unknown_kernel": (
        "no known kernel makes this LR",
        "expected for camera pairs or real degradations; otherwise make LR again",
    ),
    "channel_order": ("HR and LR differ in channel order", "save the wrong one again as RGB"),
    "tone": ("LR is brighter or darker than HR", "undo the change of brightness, contrast or gamma in LR"),
}
NAMES = tuple(_MEANINGS)


@dataclass(frozen=True)
class Finding:
    """One fault of one file.

    Args:
        name: One of ``NAMES``.
        file: The path of the file; for pairs, the LR file.
        amount: Details, for people.
        values: Details, for programs: plain numbers and words.
    """

    name: str
    file: str
    amount: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What the fault is."""
        return _MEANINGS[self.name][0]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _MEANINGS[self.name][1].format_map(self.values)
