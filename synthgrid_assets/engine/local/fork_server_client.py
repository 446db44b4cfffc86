"""The orchestrating side of the fork server: start it, order workers and their ends from it.

Belongs here: which fork server it is, and orders over its channel. Not here: its start
(`standby`, `early_fork`), what it does in its own process (`fork_server`), and which worker has
which task (`pool`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from synthgrid_assets.engine.local.early_fork import LOOK_FOR_END, Started, take_forked
from synthgrid_assets.engine.local.fork_server import Preparation
from synthgrid_assets.engine.local.framing import FrameReader, send
from synthgrid_assets.engine.local.standby import start, take_standing_by
from synthgrid_assets.engine.local.surroundings import WORKER_ENVIRONMENT
from synthgrid_assets.errors import EngineError, WorkersLostError

NEWS_ROOM = 1 << 16
PATIENCE = 10.0  # seconds for a worker's end, and then for a sign of life


class ForkServerClient:
    """A running fork server.

    Parameters
    ----------
    preparation : Preparation
        What it loads before the first fork.
    on_loss : callable
        Called with an `EngineError` when the fork server ends without being asked to, or
        no longer answers.

    Attributes
    ----------
    ready : Future of int
        The fork server's pid once everything is loaded, or the `EngineError` that says what
        was not.
    """

    def __init__(self, preparation: Preparation, on_loss: Callable[[EngineError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[int] = self._loop.create_future()
        self._on_loss = on_loss
        self._deaths: dict[int, asyncio.Future[int]] = {}
        self._alarms: dict[int, asyncio.TimerHandle] = {}
        self._heard = 0  # messages so far: any of them is a sign of life
        self._news = FrameReader()
        self._open = True
        started, preparation = _started(preparation)
        self._process, self._control = started
        with contextlib.suppress(BrokenPipeError):  # its end is reported where it is read
            send(self._control, preparation)
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._hear)

    def spawn(self, number: int) -> socket.socket:
        """Order a worker; our end of its channel."""
        ours, theirs = socket.socketpair()
        # a fork server that is gone, or frozen with a full channel, is reported elsewhere
        with theirs, contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            socket.send_fds(self._control, [b"spawn %d\n" % number], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def kill(self, number: int) -> asyncio.Future[int]:
        """Kill a worker; its exit code, once it is surely dead.

        Where no answer comes in `PATIENCE`, the fork server has as long again for a sign of
        life. Without one it is frozen (stopped, or starved by the system) and is killed,
        and the kernel ends its workers with it.
        """
        death = self._deaths[number] = self._loop.create_future()
        self._alarms[number] = self._loop.call_later(PATIENCE, self._suspect, number)
        self._send(b"kill %d\n" % number)
        return death

    async def close(self, patience: float) -> None:
        """End the fork server, and any worker that is left with it."""
        self._stop_listening()
        self._control.close()
        self._end_deaths()
        until = self._loop.time() + patience
        while self._process.poll() is None and self._loop.time() < until:
            await asyncio.sleep(LOOK_FOR_END)
        self._wait(0.0)

    def _send(self, command: bytes) -> None:
        try:
            self._control.send(command)
        except (BrokenPipeError, ConnectionResetError):
            self._end_deaths()
        except BlockingIOError:
            pass  # it has not read for thousands of commands: the alarm will tell

    def _suspect(self, number: int) -> None:
        """A worker's end is late: ask whether anybody is there."""
        self._alarms[number] = self._loop.call_later(PATIENCE, self._convict, self._heard)
        self._send(b"ping %d\n" % number)

    def _convict(self, heard: int) -> None:
        if self._heard != heard or not self._open:
            return  # it answers: the kernel cannot end that worker yet, as on a dead mount
        self._stop_listening()
        self._process.kill()
        self._wait(PATIENCE)
        self._lose(f"did not answer for {2 * PATIENCE:g} s (stopped or starved) and was killed")

    def _hear(self) -> None:
        try:
            data = self._control.recv(NEWS_ROOM)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._stop_listening()
            self._lose(f"ended by itself: it {ending(self._wait(1.0))}")
            return
        for payload in self._news.feed(data):
            self._heard += 1
            self._take(*pickle.loads(payload))

    def _take(self, news: str, detail: Any) -> None:
        if news == "ready":
            self.ready.set_result(detail)
        elif news == "failed":
            self._lose(f"could not load what the workers need:\n{detail}", EngineError)
        elif news == "dead":
            self._alarms.pop(detail[0]).cancel()
            death = self._deaths.pop(detail[0])
            if not death.done():
                death.set_result(detail[1])

    def _stop_listening(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._control.fileno())

    def _lose(self, what: str, kind: type[EngineError] = WorkersLostError) -> None:
        error = kind(f"workers: the process that starts them {what}")
        self._end_deaths()
        if not self.ready.done():
            self.ready.set_exception(error)
        elif not self.ready.cancelled() and self.ready.exception() is None:
            self._on_loss(error)

    def _end_deaths(self) -> None:
        """The kernel kills the workers with their fork server."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        for death in self._deaths.values():
            if not death.done():
                death.set_result(-signal.SIGKILL)
        self._deaths.clear()

    def _wait(self, patience: float) -> int:
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _started(preparation: Preparation) -> tuple[Started, Preparation]:
    """A fork server and what to tell it: one that waits, or a new one.

    One that waits does not know what has been set since; a new process begins with it.
    """
    waiting = take_forked() or take_standing_by(preparation.preload)
    if waiting is None:
        return start(), preparation
    now = {name: text for name, text in os.environ.items() if name not in WORKER_ENVIRONMENT}
    return waiting, replace(preparation, environment=now)


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
