"""The event loop's lag, and the name of what holds it up.

Belongs here: measuring. Not here: what is done about it (`geofence`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

from synthgrid_assets.services.gateway.log import tell

SLOW = 0.05  # seconds of one callback that deserve a line
_BEAT = 0.02
_PACKAGE = "synthgrid_assets"


class LoopWatch:
    """Watches the loop that it was started in.

    Parameters
    ----------
    told : callable
        Called in the loop with each measured lag, in seconds.

    Attributes
    ----------
    lag : float
        The last one.
    stalls : int
        Callbacks that took longer than `SLOW`.
    """

    def __init__(self, told: Callable[[float], None] = lambda lag: None) -> None:
        self.lag = 0.0
        self.stalls = 0
        self._told = told
        self._beaten = time.monotonic()
        self._ended = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running loop and its thread."""
        self._beaten = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._beat())
        watched = threading.get_ident()
        threading.Thread(
            target=self._watch, args=(watched,), name="loop-watch", daemon=True
        ).start()

    async def stop(self) -> None:
        """End."""
        self._ended.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + _BEAT
            await asyncio.sleep(_BEAT)
            self._beaten = time.monotonic()
            self.lag = max(self._beaten - due, 0.0)
            self._told(self.lag)

    def _watch(self, thread: int) -> None:
        named = 0.0
        while not self._ended.wait(_BEAT):
            beaten = self._beaten
            late = time.monotonic() - beaten - _BEAT
            if late > SLOW and beaten != named:
                named = beaten
                self.stalls += 1
                frame = sys._current_frames().get(thread)
                tell("slow callback", level=logging.WARNING, seconds=late, where=_where(frame))


def _where(frame: object) -> str:
    """The innermost line of this package that a thread is at, and of anything."""
    if frame is None:
        return "unknown"
    stack = traceback.extract_stack(frame)  # type: ignore[arg-type]
    ours = [entry for entry in stack if _PACKAGE in entry.filename] or stack
    named = [
        f"{entry.filename.rpartition('/')[2]}:{entry.lineno} {entry.name}"
        for entry in (ours[-1], stack[-1])
    ]
    return " in ".join(dict.fromkeys(named))
