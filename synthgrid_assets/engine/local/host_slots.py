"""Places for worker processes that all engines of a user on one host share.

Belongs here: taking and leaving them. Not here: who becomes a worker (`pool`).

Runs that start side by side, as those of a backfill, would each have a worker per core and
slow each other down. A place is a file lock: whatever ends a process leaves it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path


class HostSlots:
    """Some of the host's places for workers, held by this process.

    Parameters
    ----------
    limit : int
        Places there are; an engine that asks for more workers than cores adds to them.
    folder : Path, optional
        Where the locks lie; by default one of this user's for the whole host.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> first, second = HostSlots(1, folder), HostSlots(1, folder)
    >>> first.take(), second.take()
    (True, False)
    >>> first.leave()
    >>> second.take(), second.held
    (True, 1)
    >>> second.leave()
    """

    def __init__(self, limit: int, folder: Path | None = None) -> None:
        self._limit = limit
        self._folder = folder or Path(tempfile.gettempdir(), f"synthgrid-workers-{os.getuid()}")
        self._locks: list[int] = []

    @property
    def held(self) -> int:
        """How many places this object holds."""
        return len(self._locks)

    def take(self) -> bool:
        """Take one more place; False when all are held.

        Where no lock can be kept, there is always one more: slower side by side, but never
        one worker where many could be.
        """
        if not self._is_ours():
            self._locks.append(os.open(os.devnull, os.O_RDONLY))
            return True
        return any(self._lock(self._folder / f"{number}.lock") for number in range(self._limit))

    def leave(self) -> None:
        """Leave all places."""
        while self._locks:
            os.close(self._locks.pop())

    def _is_ours(self) -> bool:
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return self._folder.lstat().st_uid == os.getuid() and os.access(self._folder, os.W_OK)
        return False

    def _lock(self, file: Path) -> bool:
        with contextlib.suppress(OSError):
            lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._locks.append(lock)
            return True
        return False
