"""A fork server that is a copy of this process, made before it has done anything else.

Belongs here: when a copy may be made, and how it is waited for and ended. Not here: what it does
(`fork_server`), how it is spoken to (`fork_server_client`).

A fork server of its own loads NumPy, numba, Arrow and this package a second time: seconds of
CPU time in every command. A command that knows it will orchestrate loads them first, forks, and
goes on. Only a process in which nothing of this is loaded yet may do that: one that runs for
longer has threads, locks and connections, of which a copy has halves.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from synthgrid_assets.engine.local import fork_server
from synthgrid_assets.engine.local.surroundings import THREADS, tune_heap
from synthgrid_assets.engine.settings import usable_cores

MARK = "numpy"  # loaded by whatever computes anything
LOOK_FOR_END = 0.005  # seconds between looks at a process that is ending
_waiting: list[Started] = []


class ForkedServer:
    """A forked process with the methods of `subprocess.Popen` that its client needs.

    Parameters
    ----------
    pid : int
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exitcode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self._exitcode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._exitcode = os.waitstatus_to_exitcode(status) if pid else None
        return self._exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; `subprocess.TimeoutExpired` if it is not there in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired("fork server", timeout or 0.0)
            time.sleep(LOOK_FOR_END)
        return code

    def kill(self) -> None:
        """End it, where it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Started(NamedTuple):
    """A fork server's process, and our end of its channel."""

    process: subprocess.Popen[bytes] | ForkedServer
    control: socket.socket


def fork_early(preload: Sequence[str], meanwhile: Sequence[str] = ()) -> bool:
    """Load modules and leave a copy of this process to be the fork server of its first engine.

    A copy that no engine takes ends with this process.

    Parameters
    ----------
    preload : sequence of str
        Modules. A function of one, as ``module:function``, is the fork server's to call.
    meanwhile : sequence of str
        What the copy loads, by the same kind of names, as long as nobody asks it for anything.
        A function may give an iterator: then it is asked for more between two steps. Nothing
        where there is one core alone, which this process needs.

    Returns
    -------
    bool
        Whether there is one now; False, and nothing is loaded, where none may be made.
    """
    if MARK in sys.modules or threading.active_count() > 1 or sys.platform != "linux":
        return False
    os.environ.update(THREADS)
    for name in preload:
        importlib.import_module(name.partition(":")[0])
    if threading.active_count() > 1:
        return False
    gc.freeze()
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become_fork_server(ours, theirs, parent, meanwhile if usable_cores() > 1 else ())
    theirs.close()
    _waiting.append(Started(ForkedServer(pid), ours))
    return True


def take_forked() -> Started | None:
    """The copy that waits, once; None without any."""
    return _waiting.pop() if _waiting else None


def _become_fork_server(
    theirs: socket.socket, channel: socket.socket, parent: int, meanwhile: Sequence[str]
) -> None:
    """Never returns: what this process does at its end is the other one's to do."""
    status = 1
    try:
        theirs.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        tune_heap()
        fork_server.serve(channel, parent, meanwhile)
        status = 0
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)
