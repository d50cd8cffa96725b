"""Whether LR has the colours of HR: the order of its channels, and its tone."""

from dataclasses import dataclass
from itertools import permutations

from torch import Tensor
from torch.nn.functional import avg_pool2d

from srgan.data.doctor.kernels import rms

RGB = "RGB"
_BLOCK = 4  # LR pixels to average, so that a shift matters less
_COLOURLESS = 2.0  # levels
_CLEARLY_BETTER = 0.7  # of the error of RGB
_BELIEVED = 0.8  # of the previous error: undoing a tone must reduce it to this
_MIN_TONE = 1.5  # levels
_SATURATED = (4.0, 251.0)  # levels beyond which a change of tone may have clipped


@dataclass(frozen=True)
class Tone:
    """How LR differs from HR: ``kind`` is ``gamma``, ``gain`` or ``offset`` (in levels)."""

    kind: str
    amount: float

    def applied(self, levels: Tensor) -> Tensor:
        """Apply this change to levels in [0, 255], without rounding."""
        if self.kind == "gamma":
            return (levels.clamp(0, 255) / 255) ** self.amount * 255
        return levels * self.amount if self.kind == "gain" else levels + self.amount

    def undone(self, levels: Tensor) -> Tensor:
        """Undo this change."""
        inverse = -self.amount if self.kind == "offset" else 1 / self.amount
        return Tone(self.kind, inverse).applied(levels)


def channel_order(lr: Tensor, reference: Tensor) -> str:
    """The order of the channels in LR: ``RGB``, ``BGR``, ….

    Args:
        lr: Levels, float, shape (3, h, w).
        reference: HR at the same size, in RGB.

    Returns:
        ``RGB`` unless another order is clearly better, or if the image has too little colour to tell.
    """
    coarse_lr, coarse = (_chroma(avg_pool2d(each, _BLOCK)) for each in (lr, reference))
    if rms(coarse) < _COLOURLESS:
        return RGB
    errors = {order: rms(coarse_lr - coarse[list(order)]) for order in permutations(range(3))}
    best = min(errors, key=errors.__getitem__)
    clear = errors[best] < _CLEARLY_BETTER * errors[0, 1, 2]
    return "".join(RGB[channel] for channel in best) if clear else RGB


def find_tone(lr: Tensor, reference: Tensor) -> Tone | None:
    """The change of tone that explains LR, or None if there is no significant one.

    Args:
        lr: Levels, float.
        reference: HR at the same size and position.
    """
    low, high = _SATURATED
    usable = (lr > low) & (lr < high) & (reference > low) & (reference < high)
    if int(usable.sum()) < 64:
        return None
    ours, theirs = lr[usable], reference[usable]
    logarithms = (theirs / 255).log()
    tones = [
        Tone("gamma", float(((ours / 255).log() * logarithms).sum() / logarithms.square().sum())),
        Tone("gain", float((ours * theirs).sum() / theirs.square().sum())),
        Tone("offset", float((ours - theirs).mean())),
    ]
    best = min(tones, key=lambda tone: rms(tone.applied(theirs) - ours))
    changed = best.applied(theirs)
    believed = rms(changed - ours) < _BELIEVED * rms(theirs - ours)
    return best if believed and rms(changed - theirs) >= _MIN_TONE else None


def _chroma(image: Tensor) -> Tensor:
    return image - image.mean(dim=0)
