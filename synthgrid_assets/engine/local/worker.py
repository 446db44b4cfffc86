"""The life of one worker process: read a call, make it, send back what came of it.

Belongs here: what happens inside the worker. Not here: starting or killing workers
(`fork_server`), and deciding which task comes next (`pool`).
"""

from __future__ import annotations

import ctypes
import os
import pickle
import re
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from synthgrid_assets.engine import log
from synthgrid_assets.engine.local.framing import frame, receive
from synthgrid_assets.engine.local.memory_cap import capped, explained
from synthgrid_assets.engine.stages import begin, end
from synthgrid_assets.errors import EngineError

PR_SET_PDEATHSIG = 1


def serve(channel: socket.socket, memory_cap: int | None, parent: int) -> None:
    """Answer calls until the channel closes; the first message says ready."""
    _die_with(parent)
    resident = _resident_reader()
    channel.sendall(frame(pickle.dumps(os.getpid())))
    while True:
        try:
            call = receive(channel)
        except (EOFError, ConnectionError):
            return
        reply = _answer(call, resident, memory_cap)
        # A worker may be killed between tasks: nothing of this one may be lost with it.
        sys.stdout.flush()
        sys.stderr.flush()
        channel.sendall(frame(reply))


def _answer(call: bytes, resident: Callable[[], int], memory_cap: int | None) -> bytes:
    """Make one call; the pickled ``(error or None, result, timings)``."""
    begun = begin()
    error: Exception | None = None
    result: Any = None
    try:
        with capped(memory_cap):
            key, function, arguments = pickle.loads(call)
            begun = begin()
            with log.task(key):
                result = function(*arguments)
    except BaseException as raised:
        error = portable(explained(raised, memory_cap))
    timings = astuple(end(begun, resident()))  # a plain tuple is half the pickle
    try:
        return pickle.dumps((error, result, timings), pickle.HIGHEST_PROTOCOL)
    except Exception as unpicklable:
        kind = f"{type(result).__module__}.{type(result).__qualname__}"
        refused = EngineError(
            f"a task returned a {kind}, which cannot be pickled ({unpicklable}): "
            "return plain values or write the data and return a receipt"
        )
        return pickle.dumps((refused, None, timings), pickle.HIGHEST_PROTOCOL)


def portable(error: BaseException) -> Exception:
    """`error` as it will arrive in another process, with this process's traceback as a note.

    An exception that does not survive pickling, or that would end the process that
    receives it (`SystemExit`, `KeyboardInterrupt`), becomes an `EngineError` with its text.

    Examples
    --------
    >>> type(portable(KeyError("x"))).__name__, type(portable(SystemExit(3))).__name__
    ('KeyError', 'EngineError')
    """
    text = "".join(traceback.format_exception(error))
    if isinstance(error, Exception):
        try:
            copy = pickle.loads(pickle.dumps(error, pickle.HIGHEST_PROTOCOL))
        except Exception:
            copy = None
        if type(copy) is type(error) and str(copy) == str(error):
            copy.add_note(f"in worker {os.getpid()}:\n{text}")
            return copy
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return EngineError(f"a task raised {kind}: {error}\nin worker {os.getpid()}:\n{text}")


def without_traceback(message: str) -> str:
    """What an error says, without the traceback of a worker that `portable` has noted on it.

    Examples
    --------
    >>> without_traceback("no room\\nin worker 7:\\nTraceback ...")
    'no room'
    """
    return re.split(r"\nin worker \d+:\n", message, maxsplit=1)[0]


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone (Linux).

    Elsewhere the fork server kills its workers when its own parent goes; an idle worker
    also ends when its channel closes.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _resident_reader() -> Callable[[], int]:
    """Something that tells how many bytes of memory this process holds; 0 where none does."""
    if sys.platform != "linux":
        return lambda: 0
    statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    page = os.sysconf("SC_PAGE_SIZE")
    return lambda: int(os.pread(statm, 64, 0).split()[1]) * page
