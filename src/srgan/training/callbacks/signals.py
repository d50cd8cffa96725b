"""Ctrl-C, SIGTERM and SIGHUP during training: obeyed between two steps, by all processes together."""

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
    handler of SIGTERM communicates with the other processes at once, while they are busy with something else: a run on
    several devices hangs.
    """

    def __init__(self) -> None:
        self.mid_step = False  # set by the owner: whether the state is neither before nor after a step
        self.agreed = False  # whether all processes obey the same signal
        self._together = False
        self._interrupted = self._terminated = False
        self._previous: dict[int, Any] = {}
        self._terminals: list[int] = []  # file descriptors

    def install(self, trainer: Trainer) -> None:
        """Install the handlers; called when training starts, after Lightning has installed its own."""
        self._together = trainer.world_size > 1
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        handlers = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._terminate}
        # Windows has no SIGHUP; if it is ignored, nohup wants the run to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = self._hang_up
        for number, handler in handlers.items():
            try:
                self._previous[number] = signal.signal(number, handler)
            except ValueError:  # only the main thread may handle signals
                return

    def restore(self) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def obey(self, trainer: Trainer) -> None:
        """Raise, in all processes of the run, what a signal to any of them asks for.

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
        for descriptor in gone:  # or the next message would fail and end the run before it has saved
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
