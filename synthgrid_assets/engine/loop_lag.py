"""Watch an event loop from outside: how long it is kept from its work, and by what.

Belongs here: the watching thread. Not here: who is told (`session`).
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable

BEAT = 0.02  # seconds between two signs of life of the loop
LATE = 0.05  # seconds without one that are told of
STARVED = "nothing of the loop: it waited for a core or for the interpreter's lock"


class LoopLag:
    """A loop beats; a thread looks for missing beats, and at the loop's stack when one is.

    Parameters
    ----------
    on_lag : callable
        Told the seconds without a beat and the code that ran meanwhile, once for each time,
        on the watching thread when the loop beats again or the watching ends.
    """

    def __init__(self, on_lag: Callable[[float, str], None]) -> None:
        self._on_lag = on_lag
        self._beaten = 0.0
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        """Watch a loop that runs in a thread."""
        self._beaten = time.monotonic()

        def beat() -> None:
            self._beaten = time.monotonic()
            loop.call_later(BEAT, beat)

        loop.call_soon_threadsafe(beat)
        self._watcher = threading.Thread(
            target=self._watch, args=(thread,), name="synthgrid-loop-lag", daemon=True
        )
        self._watcher.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self, thread: threading.Thread) -> None:
        beaten, culprit = self._beaten, ""
        while not self._stopped.wait(BEAT):
            if self._beaten == beaten and not culprit:
                if time.monotonic() - beaten > LATE + BEAT:
                    culprit = _running(thread)
            elif self._beaten != beaten:
                if culprit:
                    self._on_lag(self._beaten - beaten - BEAT, culprit)
                beaten, culprit = self._beaten, ""
        if culprit:
            self._on_lag(time.monotonic() - beaten - BEAT, culprit)


def _running(thread: threading.Thread) -> str:
    """The innermost lines of this package that a thread is in; else the innermost line."""
    frame = sys._current_frames().get(thread.ident or 0)
    stack = traceback.extract_stack(frame) if frame is not None else []
    if stack and stack[-1].name == "select":
        return STARVED
    ours = [line for line in stack if "synthgrid" in line.filename] or stack
    return " < ".join(f"{line.name} ({line.filename}:{line.lineno})" for line in ours[:-4:-1])
