"""Checks of an HR/LR pair: size, same content, channel order, shift, tone, and the kernel that made LR.

Pure functions of uint8 images. All but the size is checked in a window in the middle, so that the time does not grow
with the size.
"""

from torch import Tensor

from srgan.data.doctor.colours import RGB, Tone, channel_order, find_tone
from srgan.data.doctor.findings import Finding
from srgan.data.doctor.kernels import MATLAB, UNKNOWN, kernel_errors, name_kernel, rms
from srgan.data.doctor.shift import Shift, border_beyond, estimate_shift, shifted
from srgan.pictures.resize import downscale
from srgan.pictures.rgb import to_float, to_uint8

_WINDOW = 224  # LR pixels per side
_SMALLEST = 24  # LR pixels per side: smaller pairs have too little content to check
_FLAT = 2.0  # levels of standard deviation: nothing to compare
_SAME = 0.5  # correlation below which the content differs
_EXACT = 0.45  # levels: LR differs from a kernel's result by rounding only
_MIN_SHIFT = 0.04  # LR pixels
_BELIEVED = 0.9  # of the previous error: undoing a shift must reduce it to this


def pair_findings(hr: Tensor, lr: Tensor, *, scale: int, file: str) -> list[Finding]:
    """Check an LR image against its HR image.

    Args:
        hr: uint8, shape (3, H, W).
        lr: uint8, shape (3, h, w).
        scale: Size of HR over size of LR.
        file: The LR file's path, for the findings.

    Returns:
        Findings; none if MATLAB's bicubic made LR, or the pair is too small or flat to check.
    """
    mismatch = _size_finding(hr, lr, scale=scale, file=file)
    if mismatch:
        return mismatch
    hr, levels = _middle(hr, lr, scale)
    if min(lr.shape[1:]) < _SMALLEST or min(float(each.float().std()) for each in (hr, levels)) < _FLAT:
        return []
    order = channel_order(levels, downscale(hr[None].float(), scale)[0])
    findings = [] if order == RGB else [Finding("channel_order", file, f"LR is {order}", {"order": order})]
    levels = levels[[order.index(colour) for colour in RGB]]
    errors = kernel_errors(levels[1], hr[1], scale, margin=border_beyond(0, 0, scale))
    if min(errors.values()) > _EXACT:
        return findings + _inexact_findings(hr, levels, scale=scale, file=file)
    return findings + _kernel_finding(errors, file)


def _inexact_findings(hr: Tensor, lr: Tensor, *, scale: int, file: str) -> list[Finding]:
    """Undo a shift, then a change of tone, and find the kernel that explains the rest."""
    shift = estimate_shift(hr[1].float(), lr[1], scale)
    if shift.correlation < _SAME:
        values = {"correlation": round(shift.correlation, 3)}
        return [Finding("other_picture", file, f"correlation {shift.correlation:.2f}", values)]
    findings: list[Finding] = []
    border = border_beyond(shift.dx, shift.dy, scale)
    inside = (..., slice(border, -border), slice(border, -border))
    moved = to_uint8(shifted(to_float(hr), shift.dx, shift.dy))
    still, undone = (downscale(each[None].float(), scale)[0] for each in (hr, moved))
    tone = find_tone(lr[inside], undone[inside])
    levels = tone.undone(lr) if tone else lr
    if _is_shifted(shift, levels[inside], still[inside], undone[inside], scale):
        findings.append(_shift_finding(shift, scale, file))
        hr = moved
    else:
        tone = find_tone(lr[inside], still[inside])
        levels = tone.undone(lr) if tone else lr
    if tone is not None:
        findings.append(_tone_finding(tone, file))
    errors = kernel_errors(levels[1], hr[1], scale, margin=border)
    if findings and name_kernel(errors) == UNKNOWN:  # undoing may leave traces
        return findings
    return findings + _kernel_finding(errors, file)


def _size_finding(hr: Tensor, lr: Tensor, *, scale: int, file: str) -> list[Finding]:
    """HR may have extra rows and columns, as long as they would not make another LR pixel."""
    (hr_height, hr_width), (lr_height, lr_width) = hr.shape[1:], lr.shape[1:]
    if 0 <= hr_height - lr_height * scale < scale and 0 <= hr_width - lr_width * scale < scale:
        return []
    amount = f"HR {hr_width}x{hr_height}, LR {lr_width}x{lr_height}, scale {scale}"
    return [Finding("size_mismatch", file, amount, {"hr_over_lr": round(hr_width / lr_width, 3), "scale": scale})]


def _middle(hr: Tensor, lr: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """The same window of both: HR unchanged, LR in float levels."""
    top, left = (max(0, (side - _WINDOW) // 2) for side in lr.shape[1:])
    lr = lr[:, top : top + _WINDOW, left : left + _WINDOW]
    height, width = (side * scale for side in lr.shape[1:])
    top, left = top * scale, left * scale
    return hr[:, top : top + height, left : left + width], lr.float()


def _is_shifted(shift: Shift, lr: Tensor, still: Tensor, undone: Tensor, scale: int) -> bool:
    far = max(abs(shift.dx), abs(shift.dy)) >= _MIN_SHIFT * scale
    return far and _misfit(lr[1], undone[1]) < _BELIEVED * _misfit(lr[1], still[1])


def _misfit(lr: Tensor, reference: Tensor) -> float:
    """Root mean square difference after matching brightness and contrast."""
    ours, theirs = lr - lr.mean(), reference - reference.mean()
    return rms(ours - theirs * (ours * theirs).sum() / theirs.square().sum().clamp(min=1e-6))


def _shift_finding(shift: Shift, scale: int, file: str) -> Finding:
    in_lr = f"{shift.dx / scale:+.3f}, {shift.dy / scale:+.3f} LR pixels"
    values = {"dx_hr": round(shift.dx, 3), "dy_hr": round(shift.dy, 3)}
    return Finding("shifted", file, f"x, y: {shift.dx:+.2f}, {shift.dy:+.2f} HR pixels ({in_lr})", values)


def _tone_finding(tone: Tone, file: str) -> Finding:
    amount = f"{tone.kind} {tone.amount:+.0f} levels" if tone.kind == "offset" else f"{tone.kind} {tone.amount:.2f}"
    return Finding("tone", file, amount, {"kind": tone.kind, "amount": round(tone.amount, 3)})


def _kernel_finding(errors: dict[str, float], file: str) -> list[Finding]:
    kernel = name_kernel(errors)
    if kernel == MATLAB:
        return []
    best = min(errors, key=errors.__getitem__)
    values: dict[str, float | str] = {"kernel": kernel, "closest": best, "error": round(errors[best], 3)}
    if kernel == UNKNOWN:
        return [Finding("unknown_kernel", file, f"closest: {best}, off by {errors[best]:.1f} levels", values)]
    return [
        Finding("kernel", file, f"{kernel} (off by {errors[best]:.2f} levels, MATLAB {errors[MATLAB]:.2f})", values)
    ]
