"""The queue: pictures wait their turn, one is worked on, each can be cancelled, and how long it all takes is known."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from srgan.serve.wishes import Wish

log = logging.getLogger(__name__)
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
_MEMORY = 0.7  # of what a tile took before, for what it takes


class QueueFullError(Exception):
    """There are as many pictures as are accepted."""


class CancelledError(Exception):
    """The picture is not wanted any more."""


@dataclass
class Task:
    """A picture that was sent here.

    Args:
        name: What its sender calls it; for people alone.
        source: Where it was put.
        tiles: How many tiles it takes, about.
        wish: What is wanted.
        listed: Whether it is shown in the queue, and kept when it is done.
    """

    name: str
    source: Path
    tiles: int
    wish: Wish
    listed: bool = True
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = WAITING
    message: str | None = None
    tiles_done: int = 0
    seconds: float | None = None
    version: int = 0  # of the result
    result: Path | None = None
    trust: Path | None = None
    made: Wish | None = None  # what the result was made by
    cancelled: bool = False
    over: "Future[None]" = field(default_factory=Future)

    @property
    def progress(self) -> float:
        """The share that is done."""
        return 1.0 if self.state == DONE else min(self.tiles_done / max(self.tiles, 1), 0.99)


class Queue:
    """Works on tasks in a thread of its own, in the order in which they came.

    Args:
        work: Does a task; calls what it is given before each tile, which may raise ``CancelledError``.
        max_tasks: How many are taken at once.
    """

    def __init__(self, work: Callable[[Task, Callable[[], None]], None], *, max_tasks: int) -> None:
        self._work, self._max_tasks = work, max_tasks
        self._tasks: dict[str, Task] = {}
        self._waiting: list[Task] = []
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_per_tile: float | None = None
        self._thread = threading.Thread(target=self._run, name="srgan-serve", daemon=True)
        self._thread.start()

    def require_room(self) -> None:
        """Raise QueueFullError if no task is taken."""
        with self._changed:
            if len(self._tasks) >= self._max_tasks:
                raise QueueFullError(
                    f"There are {len(self._tasks)} pictures, as many as are taken. Wait, or remove some that are done."
                )

    def add(self, task: Task) -> None:
        """Take a task; one that has failed already is kept, so that it can be reported.

        Raises:
            QueueFullError: If there are too many.
        """
        with self._changed:
            self.require_room()
            self._tasks[task.id] = task
            if task.state == WAITING:
                self._waiting.append(task)
                self._changed.notify_all()

    def again(self, task: Task, wish: Wish, *, tiles: int) -> None:
        """Have a task done once more, by another wish; the present result stays until then."""
        with self._changed:
            task.cancelled = task.state == RUNNING  # what it is at is not wanted any more
            if task.state != RUNNING and task not in self._waiting:
                self._waiting.append(task)
            task.wish, task.tiles = wish, tiles
            if task.state != RUNNING:
                self._reset(task)
            self._changed.notify_all()

    def get(self, id: str) -> Task | None:
        """The task of a name that was given out."""
        with self._changed:
            return self._tasks.get(id)

    def listed(self) -> Sequence[Task]:
        """Those that are to be seen, in the order in which they came."""
        with self._changed:
            return [task for task in self._tasks.values() if task.listed]

    def remaining(self) -> float | None:
        """Seconds until all is done; None as long as nobody knows."""
        with self._changed:
            pending = [task for task in self._tasks.values() if task.state in (WAITING, RUNNING)]
            if not pending:
                return 0.0
            if self._seconds_per_tile is None:
                return None
            return self._seconds_per_tile * sum(max(task.tiles - task.tiles_done, 1) for task in pending)

    def remove(self, task: Task) -> None:
        """Forget a task, and end it if it is being done; its files go."""
        with self._changed:
            self._tasks.pop(task.id, None)
            task.cancelled = True
            if task in self._waiting:
                self._waiting.remove(task)
            running = task.state == RUNNING
        if not running:  # else its files go when it has ended
            _delete(task)

    def close(self) -> None:
        """End the work."""
        with self._changed:
            self._closed = True
            for task in self._tasks.values():
                task.cancelled = True
            self._changed.notify_all()
        self._thread.join()

    def _reset(self, task: Task) -> None:
        task.state, task.message, task.tiles_done, task.cancelled = WAITING, None, 0, False
        task.over = Future()

    def _next(self) -> Task | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            task = self._waiting.pop(0)
            task.state, task.tiles_done = RUNNING, 0
            return task

    def _run(self) -> None:
        while (task := self._next()) is not None:
            start, state, message, wish = time.monotonic(), DONE, None, task.wish
            try:
                self._work(task, lambda task=task: self._tick(task))  # type: ignore[misc]
            except CancelledError:
                state = FAILED
            except Exception as error:  # whatever it is, the others are to be done
                log.info("A picture failed", exc_info=True)
                state, message = FAILED, str(error).replace(str(task.source), task.name) or type(error).__name__
            self._end(task, state, message, time.monotonic() - start, wish)

    def _end(self, task: Task, state: str, message: str | None, seconds: float, wish: Wish) -> None:
        with self._changed:
            task.state, task.message = state, message
            if state == DONE:
                task.seconds, task.made, task.version = seconds, wish, task.version + 1
                now = seconds / max(task.tiles_done, 1)
                before = self._seconds_per_tile
                self._seconds_per_tile = now if before is None else _MEMORY * before + (1 - _MEMORY) * now
            gone = task.id not in self._tasks
            if not gone and task.wish is not wish:  # another wish came meanwhile
                self._reset(task)
                self._waiting.append(task)
            over = task.over
        if gone:
            _delete(task)
        if not over.done() and task.state in (DONE, FAILED):
            over.set_result(None)

    def _tick(self, task: Task) -> None:
        if task.cancelled:
            raise CancelledError
        task.tiles_done += 1


def _delete(task: Task) -> None:
    for path in (task.source, task.result, task.trust):
        if path is not None:
            path.unlink(missing_ok=True)
