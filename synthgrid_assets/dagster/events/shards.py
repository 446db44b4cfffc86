"""SQLite connections that stay open, one per database file of an event log.

Belongs here: their lifetime across threads, forks and files that are replaced. Not here:
what is read or written through them (`event_log`, `group_write`).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Connection, Engine

KEPT_OPEN = 16


class Shards:
    """Open connections, one per database file, used by one thread at a time.

    Parameters
    ----------
    open_shard : callable
        Gives an engine for a shard's name.
    path_of : callable
        Gives the shard's file.
    """

    def __init__(self, open_shard: Callable[[str], Engine], path_of: Callable[[str], str]) -> None:
        self._open_shard = open_shard
        self._path_of = path_of
        self._inherited: list[object] = []
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._open: OrderedDict[str, tuple[Engine, tuple[int, int]]] = OrderedDict()
        self._active: dict[str, Connection] = {}

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep the other threads out; gives whether this thread is inside a transaction."""
        if self._pid != os.getpid():
            # SQLite forbids to use, or even to close, what came through a fork
            self._inherited += [self._open, self._active, self._lock]
            self._start()
        with self._lock:
            yield bool(self._active)

    @contextmanager
    def transaction(self, shard: str) -> Iterator[Connection]:
        """A connection in a transaction; within one on the same shard, that one again."""
        with self.locked():
            if shard in self._active:
                yield self._active[shard]
                return
            with self._engine(shard).connect() as connection, connection.begin():
                self._active[shard] = connection
                try:
                    yield connection
                finally:
                    del self._active[shard]

    def close(self) -> None:
        """Close every connection of this process."""
        if self._pid == os.getpid():
            with self._lock:
                while self._open:
                    self._open.popitem()[1][0].dispose()

    def _engine(self, shard: str) -> Engine:
        """The open engine of a shard, unless its file was removed or replaced meanwhile."""
        path = self._path_of(shard)
        if shard in self._open:
            engine, opened = self._open[shard]
            if _file_identity(path) == opened:
                self._open.move_to_end(shard)
                return engine
            self._open.pop(shard)[0].dispose()
        while len(self._open) >= KEPT_OPEN:
            oldest = next(name for name in self._open if name not in self._active)
            self._open.pop(oldest)[0].dispose()
        engine = self._open_shard(shard)
        self._open[shard] = (engine, _file_identity(path))
        return engine


def _file_identity(path: str) -> tuple[int, int]:
    """Device and inode, zeros where there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a Path per event costs more than the call)
    except FileNotFoundError:
        return 0, 0
    return status.st_dev, status.st_ino
