"""Ctrl-C, SIGTERM and SIGHUP during training: noted at once, obeyed between two steps, by all processes together."""

import os
import signal
from types import FrameType
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException


class StopSignals:
    """Handlers of SIGINT, SIGTERM and SIGHUP from ``install`` to ``restore``.

    A signal waits for the end of the step, where ``obey`` raises; a second Ctrl-C does not wait. Lightning's own
    handler of SIGTERM talks to the other processes at once, who are busy with something else then: a run on several
    devices hangs.
    """

    def __init__(self) -> None:
        self.mid_step = False  # set by the owner: whether the state is neither before nor after a step
        self.agreed = False  # whether all processes have come to obey the same signal
        self._together = False
        self._interrupted = self._terminated = False
        self._previous: dict[int, Any] = {}
        self._terminals: list[int] = []  # descriptors that a person watches

    def install(self, trainer: Trainer) -> None:
        """Take the signals over; called in training, after Lightning has done the same."""
        self._together = trainer.world_size > 1
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        handlers = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._terminate}
        # Windows has no SIGHUP; where it is ignored, nohup wants the run to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = self._hang_up
        for number, handler in handlers.items():
            try:
                self._previous[number] = signal.signal(number, handler)
            except ValueError:  # signals belong to the main thread
                return

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def obey(self, trainer: Trainer) -> None:
        """Raise what a signal to any process of the run asks for, in all of them.

        Raises:
            KeyboardInterrupt: At Ctrl-C.
            SIGTERMException: At SIGTERM and SIGHUP.
        """
        interrupted, terminated = self._interrupted, self._terminated
        if self._together:
            wishes = torch.tensor([interrupted, terminated], dtype=torch.int32, device=trainer.strategy.root_device)
            interrupted, terminated = trainer.strategy.reduce(wishes, reduce_op="sum").bool().tolist()
        if interrupted or terminated:
            self.agreed = True
            raise SIGTERMException if terminated else KeyboardInterrupt

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self._interrupted or not (self.mid_step or self._together):
            raise KeyboardInterrupt
        self._interrupted = True

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        self._terminated = True

    def _hang_up(self, signum: int, frame: FrameType | None) -> None:
        self._terminated = True
        gone = [descriptor for descriptor in self._terminals if not os.isatty(descriptor)]
        for descriptor in gone:  # or what is still to be said would end the run before it has saved
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
