"""Learning-rate schedules as pure functions of the step: a resumed run has nothing to restore, and may change rates.

Each returns the factor on the optimizer's learning rate at a step of a phase (pretraining or adversarial training).
"""

import math
from collections.abc import Sequence
from typing import Protocol


class Schedule(Protocol):
    """Factor on the learning rate at ``step`` (from 0) of a phase of ``num_steps``."""

    def __call__(self, step: int, num_steps: int) -> float:
        """Return the factor."""
        ...


def step_decay(
    step: int, num_steps: int, *, peak: float = 1.0, milestones: Sequence[float] = (), gamma: float = 0.1
) -> float:
    """``peak``, multiplied by ``gamma`` at each milestone, given as a share of the phase in (0, 1).

    The paper's adversarial phase is ``milestones=[0.5]``: 1e-4 for its first half, 1e-5 for its second.
    """
    return peak * gamma ** sum(step >= milestone * num_steps for milestone in milestones)


def warmup_cosine(step: int, num_steps: int, *, warmup: float = 0.1, peak: float = 1.0, final: float = 0.02) -> float:
    """Rise linearly to ``peak`` over the first ``warmup`` share of the phase, then fall to ``final`` as a cosine."""
    warmup_steps = max(round(warmup * num_steps), 1)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
