"""A turnstile: processes and threads write one at a time, and each of them gets its turn.

Belongs here: the order of writers of one file. Not here: what they write (`database`).

SQLite's own lock has no queue. Of eight processes that write in a loop one did 1,395
transactions while six others gave up after five seconds. Here a writer first takes the
file of the turn, then the file of writing, and gives the turn back: one that has just
written stands behind whoever holds the turn. SQLite's checkpoints run inside a commit, so
they are also alone, which keeps clear of the defect of versions before 3.51.3 that needs
a checkpoint beside a writer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from synthgrid_assets.errors import StorageError

_PAUSE = 0.0005  # seconds between two tries, below the duration of a synced transaction
_LONGEST_PAUSE = 0.004
_all: weakref.WeakSet[Turnstile] = weakref.WeakSet()


class Turnstile:
    """The turn of writing one file, among all threads and processes of a machine.

    Parameters
    ----------
    path : Path
        The file that is written; the two locks are empty files beside it.

    Examples
    --------
    >>> import tempfile
    >>> turnstile = Turnstile(Path(tempfile.mkdtemp()) / "journal.sqlite")
    >>> with turnstile.passing(wait=1.0):
    ...     pass
    >>> turnstile.close()
    """

    def __init__(self, path: Path) -> None:
        self._paths = tuple(path.with_name(f"{path.name}-{lock}") for lock in ("turn", "write"))
        self._threads = _ThreadQueue()
        self._descriptors: list[int] = []
        _all.add(self)

    @contextlib.contextmanager
    def passing(self, wait: float) -> Iterator[None]:
        """Be the only writer inside the block.

        Parameters
        ----------
        wait : float
            Longest time to wait, in seconds.

        Raises
        ------
        StorageError
            If others write for longer than that.
        """
        deadline = time.monotonic() + wait
        with self._threads.place(deadline):
            turn, write = self._opened()
            _lock(turn, self._paths[0], deadline)
            try:
                _lock(write, self._paths[1], deadline)
            finally:
                fcntl.flock(turn, fcntl.LOCK_UN)
            try:
                yield
            finally:
                # said aloud: a child forked meanwhile holds a copy of the descriptor
                fcntl.flock(write, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files; they stay where they are, as others may use them."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _opened(self) -> tuple[int, int]:
        if not self._descriptors:
            for path in self._paths:
                self._descriptors.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        return self._descriptors[0], self._descriptors[1]

    def _after_fork(self) -> None:
        """A child shares its parent's locks until it opens the files itself."""
        self._threads = _ThreadQueue()
        self.close()


class _ThreadQueue:
    """First come, first served; `threading.Lock` promises no order."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @contextlib.contextmanager
    def place(self, deadline: float) -> Iterator[None]:
        self._enter(deadline)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, deadline: float) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
            return
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
                raise StorageError("other threads of this process write for too long; try again")
        # the turn was given at the same instant as time ran out

    def _leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def _lock(descriptor: int, path: Path, deadline: float) -> None:
    pause = _PAUSE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StorageError(
                    f"other processes hold {path} for too long; see who has it open "
                    f"(fuser {path}), end a stopped one and try again"
                ) from None
        time.sleep(random.uniform(_PAUSE, pause))
        pause = min(pause * 1.2, _LONGEST_PAUSE)


def _after_fork_in_child() -> None:
    for turnstile in list(_all):
        turnstile._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
