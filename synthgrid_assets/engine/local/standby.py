"""Fork servers that load before a pool needs them, so that it need not wait for imports.

Belongs here: starting a fork server's process, and keeping one that is ready for the next pool
of this process. Not here: what it does (`fork_server`), orders to it (`fork_server_client`), a
copy of this process (`early_fork`).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

from synthgrid_assets.engine.local.early_fork import Started
from synthgrid_assets.engine.local.fork_server import START
from synthgrid_assets.engine.local.framing import send
from synthgrid_assets.engine.local.surroundings import WORKER_ENVIRONMENT

_LOCK = threading.Lock()


_WAITING: dict[tuple[str, ...], Started] = {}


def start() -> Started:
    """A process of its own, which waits for what it shall load."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs.fileno()), json.dumps(sys.path)],
            env={**os.environ, **WORKER_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return Started(process, ours)


def stand_by(preload: tuple[str, ...]) -> None:
    """Have a fork server load now; the next pool of this process that preloads the same takes it.

    One that waits holds the modules' memory, and ends with this process.
    """
    with _LOCK:
        if not _is_there(preload):
            started = _WAITING[preload] = start()
            with contextlib.suppress(BrokenPipeError):  # it is found out when it is looked for
                send(started.control, preload)


def take_standing_by(preload: tuple[str, ...]) -> Started | None:
    """The one that has loaded this, once; None without any."""
    with _LOCK:
        return _WAITING.pop(preload) if _is_there(preload) else None


def _is_there(preload: tuple[str, ...]) -> bool:
    """Whether one stands by; one that has ended meanwhile is let go of."""
    started = _WAITING.get(preload)
    if started is not None and started.process.poll() is not None:
        started.control.close()
        del _WAITING[preload]
    return preload in _WAITING
