"""Events on their way into the log, which take it in groups.

Belongs here: when a group is full or old enough. Not here: how it is written
(`group_write`), which events may wait (`event_log`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from dagster._core.events.log import EventLogEntry

GROUP_SIZE = 256
PATIENCE = 0.5  # seconds after which events are visible to other processes


class EventGroups:
    """Events that wait to be written together: until they are many, or one of them is old.

    A thread of its own writes what nobody else does, so a step that computes for long
    leaves nothing unwritten. A group that cannot be written stays here; the error reaches
    the next caller that adds or writes.

    Parameters
    ----------
    write : callable
        Writes a list of events in one transaction, all of them or none.
    alone : callable
        A context that keeps the other threads out while a group is written.
    """

    def __init__(
        self,
        write: Callable[[list[EventLogEntry]], None],
        alone: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._write = write
        self._alone = alone
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._waiting: list[EventLogEntry] = []
        self._unwritten = 0  # those waiting, and those being written now
        self._arrived = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __bool__(self) -> bool:
        """Whether an event of this process is not yet written."""
        return self._pid == os.getpid() and self._unwritten > 0

    def add(self, event: EventLogEntry) -> None:
        """Take an event; when that fills the group, write it."""
        if self._pid != os.getpid():
            self._start()  # what came through a fork is written by the parent
        with self._lock:
            self._waiting.append(event)
            self._unwritten += 1
            full = len(self._waiting) >= GROUP_SIZE
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._write_old, name="synthgrid-events", daemon=True
                )
                self._thread.start()
        self._arrived.set()
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what waits, now; events that another thread writes are written on return."""
        if not self:
            return
        with undisturbed(), self._alone():
            with self._lock:
                group, self._waiting = self._waiting, []
            if not group:
                return
            try:
                self._write(group)
            except BaseException:
                with self._lock:
                    self._waiting = group + self._waiting
                raise
            with self._lock:
                self._unwritten -= len(group)

    def close(self) -> None:
        """Write what waits and end the thread; a later event starts another one."""
        self.flush()
        if self._pid == os.getpid() and self._thread is not None:
            thread, self._thread = self._thread, None
            self._closed.set()
            self._arrived.set()
            if thread is not threading.current_thread():
                thread.join()
            self._closed.clear()

    def _write_old(self) -> None:
        while True:
            self._arrived.wait()
            if self._closed.wait(PATIENCE):
                return
            self._arrived.clear()
            try:
                self.flush()
            except Exception:
                self._arrived.set()  # tried again; whoever adds the next event is told


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """An interrupt in the block is heard behind it: Dagster's may be raised anywhere in a step.

    A group whose commit was interrupted would be written twice, or never.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are heard by the main thread alone
        return
    heard: list[int] = []

    def hear(number: int, _: Any) -> None:
        heard.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    kept = {number: handler for number, handler in before.items() if callable(handler)}
    try:
        for number in kept:
            signal.signal(number, hear)
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])
