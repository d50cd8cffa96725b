"""Results on their way into files: several are encoded at once, and one after the other they are noted and named.

Names are given in the order of the jobs, by a thread that Ctrl-C does not meet. So at any moment the files that have
their names are whole, in the ledger, and those of the first jobs.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from srgan.system.files import atomic_write, file_digest

Writer: TypeAlias = Callable[[BinaryIO], None]
Record: TypeAlias = Callable[[Path, str], None]

_PER_THREAD = 4  # results under way for each thread: small ones are encoded while a large one is
_MOST_THREADS = 16


class WriteQueue:
    """Encodes results in threads, as many as there are cores, and finishes them in order.

    Args:
        max_bytes: How much memory the results under way may take; a larger one is waited for before the next begins.
    """

    def __init__(self, *, max_bytes: int) -> None:
        threads = min(os.cpu_count() or 1, _MOST_THREADS)
        self.stopped = False  # once set, what has no name yet gets none
        self._limit, self._max_bytes = _PER_THREAD * threads, max_bytes
        self._encoders = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._under_way: deque[tuple[Future[None], int]] = deque()

    def put(
        self,
        writers: Mapping[Path, Writer],
        record: Record,
        conclude: Callable[[Exception | None], None],
        *,
        num_bytes: int = 0,
    ) -> None:
        """Hand over a result.

        Args:
            writers: For each target, in the order in which they get their names, how to write it; none for a job that
                only has its turn.
            record: Called with a target and the SHA-256 of its content before the file gets that name.
            conclude: Called in the result's turn, when its files have their names, or with what has kept them from it.
            num_bytes: Memory that the result takes.
        """
        encoded = self._encoders.submit(_encode, writers)
        self._under_way.append((self._finisher.submit(self._finish, encoded, record, conclude), num_bytes))

    def wait_for_room(self) -> None:
        """Wait until another result may be computed; raises what a ``conclude`` raised."""
        while self._under_way and (self._under_way[0][0].done() or self._is_full()):
            self._await_first()

    def wait_for_all(self) -> None:
        """Wait until all results are concluded; raises as above."""
        while self._under_way:
            self._await_first()

    def close(self) -> None:
        """End the threads, after all that was handed over, or once stopped after what they are at."""
        self._encoders.shutdown(cancel_futures=self.stopped)
        self._finisher.shutdown()

    def _await_first(self) -> None:
        self._under_way[0][0].result()  # Ctrl-C while waiting leaves it where it is
        self._under_way.popleft()

    def _is_full(self) -> bool:
        return len(self._under_way) >= self._limit or sum(size for _, size in self._under_way) > self._max_bytes

    def _finish(
        self, encoded: "Future[_Encoded]", record: Record, conclude: Callable[[Exception | None], None]
    ) -> None:
        failure = None
        try:
            files = encoded.result()
            if self.stopped:
                files.discard()
                return
            files.name(record)
        except Exception as error:
            failure = error
        if not self.stopped:
            conclude(failure)


@dataclass(frozen=True)
class _Encoded:
    """Whole files without their names.

    Args:
        unfinished: Gives the names when it is left, or removes the files when it is left by an error.
        digests: SHA-256 of the contents, by target.
    """

    unfinished: ExitStack
    digests: Mapping[Path, str]

    def name(self, record: Record) -> None:
        with self.unfinished:
            for target, digest in self.digests.items():
                record(target, digest)

    def discard(self) -> None:
        stopped = InterruptedError("stopped")
        self.unfinished.__exit__(InterruptedError, stopped, None)


def _encode(writers: Mapping[Path, Writer]) -> _Encoded:
    with ExitStack() as stack:
        digests = {}
        for target, write in reversed(list(writers.items())):  # a stack is left from its top
            file = stack.enter_context(atomic_write(target))
            write(file)
            file.flush()
            os.fsync(file.fileno())  # here, where others go on meanwhile
            file.seek(0)
            digests[target] = file_digest(file)
        return _Encoded(stack.pop_all(), digests)
