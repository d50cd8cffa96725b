"""Reports when validation scores have stopped improving."""

import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

_PSNR = "val/psnr_y"
_MEANING = {
    "Pretraining": "the adversarial phase could start",
    "Adversarial phase": "stopping would lose nothing",
}


class Point(NamedTuple):
    """A validation's distortion and perception: PSNR in dB, higher is better, and a distance, lower is better.

    A distance that was not measured is infinite, so that only PSNR counts.
    """

    step: int
    psnr: float
    perception: float


class Plateau(Callback):
    """Report, once, that no validation has been a gain for some time. Training continues: stopping is up to you.

    A validation is a gain if it beats each earlier one clearly, in PSNR or in perception. So trading one for the other
    counts, and so do small steps once they add up. The adversarial phase gives up PSNR for perception, and is judged
    separately; if its perception is not measured, it is not judged.

    Args:
        patience: Validations without a gain before the report.
        min_psnr_gain: What counts as better in PSNR, in dB.
        min_perception_gain: What counts as better in perception, relative to the earlier distance.
        perception: The logged value that measures perception, lower is better.

    Raises:
        ValueError: If the patience is below 1 or a gain is negative.

    Reference: Blau and Michaeli 2018, The Perception-Distortion Tradeoff, arXiv:1711.06077.
    """

    def __init__(
        self,
        *,
        patience: int = 10,
        min_psnr_gain: float = 0.01,
        min_perception_gain: float = 0.005,
        perception: str = "val/detail_distance",
    ) -> None:
        if patience < 1:
            raise ValueError(f"Expected callbacks.plateau.patience of 1 or more, got {patience}.")
        for name, gain in (("psnr", min_psnr_gain), ("perception", min_perception_gain)):
            if gain < 0:
                raise ValueError(f"Expected callbacks.plateau.min_{name}_gain of 0 or more, got {gain}.")
        self._patience = patience
        self._min_gains = (min_psnr_gain, min_perception_gain)
        self._perception = perception
        self._phase = ""
        self._front: list[Point] = []  # the gains that no later one has beaten
        self._best: list[Point] = []  # those with the highest PSNR and with the smallest distance
        self._num_without = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the scores with those before."""
        if trainer.state.fn != "fit" or _PSNR not in trainer.callback_metrics:
            return
        # A validation right at the end of pretraining still has pretrained weights.
        pretraining = trainer.global_step <= pl_module.pretrain_steps  # type: ignore[operator] # an int of SRGAN
        distance = float(trainer.callback_metrics.get(self._perception, math.inf))
        if not pretraining and math.isinf(distance) and pl_module.generator_loss.needs_discriminator:  # type: ignore[union-attr]
            return
        phase = "Pretraining" if pretraining else "Adversarial phase"
        if phase != self._phase:
            self._start(phase)
        self._note(Point(trainer.global_step, float(trainer.callback_metrics[_PSNR]), distance))
        for logger in trainer.loggers:
            logger.log_metrics({"plateau/validations_without_gain": self._num_without}, step=trainer.global_step - 1)
        if self._num_without == self._patience and trainer.is_global_zero:
            log.info("%s", self._report())

    def state_dict(self) -> dict[str, Any]:
        """The points of this phase, as plain values."""
        return {
            "phase": self._phase,
            "front": [list(point) for point in self._front],
            "best": [list(point) for point in self._best],
            "validations_without_gain": self._num_without,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the points of this phase."""
        self._phase = state_dict["phase"]
        self._front = [Point(*values) for values in state_dict["front"]]
        self._best = [Point(*values) for values in state_dict["best"]]
        self._num_without = state_dict["validations_without_gain"]

    def _start(self, phase: str) -> None:
        self._phase, self._front, self._best, self._num_without = phase, [], [], 0

    def _note(self, point: Point) -> None:
        if math.isnan(point.psnr) or math.isnan(point.perception):
            self._num_without += 1
            return
        seen = [*self._best, point]
        self._best = [max(seen, key=lambda each: each.psnr), min(seen, key=lambda each: each.perception)]
        if is_gain(point, self._front, *self._min_gains):
            beaten = [p for p in self._front if point.psnr >= p.psnr and point.perception <= p.perception]
            self._front = [*(p for p in self._front if p not in beaten), point]
            self._num_without = 0
        else:
            self._num_without += 1

    def _report(self) -> str:
        if not self._front:
            return f"{self._phase}: the last {self._num_without} validations gave no numbers. Training continues."
        psnr, distance = self._best
        best = f"best {_PSNR} {psnr.psnr:.2f} at step {psnr.step}"
        if math.isfinite(distance.perception):
            best += f", best {self._perception} {distance.perception:.4g} at step {distance.step}"
        return (
            f"{self._phase}: no gain since step {self._front[-1].step} ({best}); by these scores"
            f" {_MEANING[self._phase]}. Training continues."
        )


def is_gain(point: Point, front: Sequence[Point], min_psnr_gain: float, min_perception_gain: float) -> bool:
    """Whether a point beats each of the others by a minimum, in PSNR (in dB) or in perception (relative)."""
    return all(
        point.psnr > other.psnr + min_psnr_gain or point.perception < other.perception * (1 - min_perception_gain)
        for other in front
    )
