"""Starts scripts as forks of a process that has imported what takes seconds: real processes, but at once."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

_IMPORTED = (
    "hydra",
    "lightning",
    "srgan.data",
    "srgan.evaluation.closing_test",
    "srgan.prediction.predict",
    "srgan.training.callbacks",
    "srgan.training.module",
)
_OUTPUTS = ("stdout", "stderr")


def forkserver() -> ForkServerContext:
    """Where processes come from that have imported what takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


class Script:
    """A script that runs until it ends, is killed, or ``finish`` loses patience.

    Args:
        line: Its command line, as ``subprocess`` takes it: the interpreter, a script or -c and code, arguments.
        cwd: The folder it is started in; by default that of the tests.
        own_group: Whether it leads a group of processes, so that a signal may go to it and to all that it starts.
    """

    def __init__(self, line: Sequence[str], *, cwd: Path | None = None, own_group: bool = False) -> None:
        self._line = line
        self._folder = tempfile.TemporaryDirectory()
        arguments = (list(line), str(cwd or Path.cwd()), self._folder.name, dict(os.environ), own_group)
        self._process = forkserver().Process(target=_run, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, negative for a signal's number; None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def finish(self, *, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
        """Wait for its end, and say what it has said."""
        self._process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired(self._line, timeout)
        stdout, stderr = (Path(self._folder.name, name).read_text(encoding="utf-8") for name in _OUTPUTS)
        self._folder.cleanup()
        code = self.poll()
        assert code is not None
        return subprocess.CompletedProcess(list(self._line), code, stdout, stderr)


def run_script(line: Sequence[str], *, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end."""
    return Script(line, cwd=cwd).finish()


def _run(line: list[str], cwd: str, outputs: str, environment: dict[str, str], own_group: bool) -> None:
    """In the fork: become what the command line would have started."""
    multiprocessing.set_start_method(None, force=True)  # the usual one, not that of this fork
    if own_group:
        os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    for descriptor, name in enumerate(_OUTPUTS, start=1):
        file = os.open(Path(outputs, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
        os.close(file)
        setattr(sys, name, os.fdopen(os.dup(descriptor), "w", encoding="utf-8", buffering=1))
    sys.argv = line[1:]
    if line[1] == "-c":
        exec(sys.argv.pop(1), {"__name__": "__main__"})
    else:
        runpy.run_path(line[1], run_name="__main__")
