"""The orchestrating side of the nursery: start it, order workers and burials from it.

Belongs here: the nursery's process, environment and channel. Not here: what the nursery
does in its own process (`nursery`), and which worker has which task (`pool`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from synthgrid_assets.engine.local.fork_server import START, Nurture
from synthgrid_assets.engine.local.framing import FrameReader, send
from synthgrid_assets.errors import EngineError

WORKER_ENVIRONMENT = {
    # one thread per worker: the engine has the cores
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # flat memory: few arenas, and freed Arrow buffers go back to the system
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
NEWS_ROOM = 1 << 16


class NurseryProcess:
    """A running nursery.

    Parameters
    ----------
    nurture : Nurture
        What it loads before the first fork.
    on_loss : callable
        Called with an `EngineError` when the nursery ends without being asked to.

    Attributes
    ----------
    ready : Future of int
        The nursery's pid once everything is loaded, or the `EngineError` that says what
        was not.
    """

    def __init__(self, nurture: Nurture, on_loss: Callable[[EngineError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[int] = self._loop.create_future()
        self._on_loss = on_loss
        self._burials: dict[int, asyncio.Future[int]] = {}
        self._news = FrameReader()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), json.dumps(sys.path)],
                env={**os.environ, **WORKER_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        with contextlib.suppress(BrokenPipeError):  # its end is reported where it is read
            send(self._control, nurture)
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._hear)

    def spawn(self, number: int) -> socket.socket:
        """Order a worker; our end of its channel."""
        ours, theirs = socket.socketpair()
        # a nursery that is gone is reported where its channel is read
        with theirs, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [b"spawn %d\n" % number], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def bury(self, number: int) -> asyncio.Future[int]:
        """Kill a worker; its exit code, once it is surely dead."""
        burial = self._burials[number] = self._loop.create_future()
        try:
            self._control.send(b"bury %d\n" % number)
        except (BrokenPipeError, ConnectionResetError):
            self._end_burials()
        return burial

    def close(self, patience: float) -> None:
        """End the nursery, and any worker that is left with it."""
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._end_burials()
        self._wait(patience)

    def _hear(self) -> None:
        try:
            data = self._control.recv(NEWS_ROOM)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._loop.remove_reader(self._control.fileno())
            self._lose(f"ended by itself: it {ending(self._wait(1.0))}")
            return
        for payload in self._news.feed(data):
            news, detail = pickle.loads(payload)
            if news == "ready":
                self.ready.set_result(detail)
            elif news == "failed":
                self._lose(f"could not load what the workers need:\n{detail}")
            elif (burial := self._burials.pop(detail[0], None)) and not burial.done():
                burial.set_result(detail[1])

    def _lose(self, what: str) -> None:
        error = EngineError(f"workers: the process that starts them {what}")
        self._end_burials()
        if not self.ready.done():
            self.ready.set_exception(error)
        elif self.ready.exception() is None:
            self._on_loss(error)

    def _end_burials(self) -> None:
        """The kernel kills the workers with their nursery."""
        for burial in self._burials.values():
            if not burial.done():
                burial.set_result(-signal.SIGKILL)
        self._burials.clear()

    def _wait(self, patience: float) -> int:
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def ending(exitcode: int) -> str:
    """How a process ended, as the end of a sentence.

    Examples
    --------
    >>> ending(-9)
    'was killed by signal 9 (SIGKILL)'
    """
    if exitcode < 0:
        return f"was killed by signal {-exitcode} ({signal.Signals(-exitcode).name})"
    return f"ended with exit code {exitcode}"
