"""The process that starts and ends workers: modules are loaded once, then it forks.

Belongs here: fork, kill, wait. Not here: anything that knows a task.

A process of our own, rather than `multiprocessing`'s fork server, because that one is a
singleton of the whole program (whoever starts it first decides its modules and its
environment), imports the caller's ``__main__``, and leaves busy workers running when the
caller is killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from synthgrid_assets.engine import log
from synthgrid_assets.engine.local import worker
from synthgrid_assets.engine.local.framing import receive, send
from synthgrid_assets.loading import load, loading

LOOK_FOR_PARENT = 1.0  # seconds between looks, where no closed channel tells of its death
LOOK_FOR_DEAD = 0.002
COMMAND_ROOM = 1 << 16
FDS_ROOM = 64

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from synthgrid_assets.engine.local.fork_server import main; main(int(sys.argv[1]))"
)


@dataclass(frozen=True)
class Preparation:
    """What the fork server loads before its first fork, and the cap its workers live under.

    Loaded are modules, and functions as ``module:function``, which are called.

    The environment is what the other side's has become; a new process has it already.
    """

    preload: tuple[str, ...]
    memory_cap: int | None
    run_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def main(channel_fd: int) -> None:
    """Serve in a process of its own."""
    os.set_inheritable(channel_fd, False)
    serve(socket.socket(fileno=channel_fd), os.getppid())


def serve(control: socket.socket, parent: int, meanwhile: Sequence[str] = ()) -> None:
    """Load, say ready, then obey until the channel closes.

    Names of what to load may come before the preparation: then this process stands by with it.
    What is named as `meanwhile` is loaded step by step while nothing comes, and only then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
    told: tuple[str, str | int]
    try:
        preparation = _preparation(control, parent, _steps(meanwhile))
        os.environ.update(preparation.environment)
        log.start(preparation.run_id)
        _load_all(preparation.preload)
    except EOFError:
        return
    except BaseException:
        told = "failed", traceback.format_exc()
    else:
        told = "ready", os.getpid()
    try:
        send(control, told)
    except BrokenPipeError:
        return  # the other side was ended meanwhile
    if told[0] == "failed":
        return
    ForkServer(control, preparation.memory_cap, parent).serve()


def _load_all(names: Iterable[str]) -> None:
    with loading():
        for name in names:
            load(name)


def _steps(names: Iterable[str]) -> Iterator[object]:
    """Load one thing after another: the steps of a function that has some, or all at once.

    What fails here fails again, and is told, where it is needed.
    """
    with contextlib.suppress(Exception):
        for name in names:
            found = load(name)
            if isinstance(found, Iterator):
                yield from found
            yield found


def _preparation(control: socket.socket, parent: int, steps: Iterator[object]) -> Preparation:
    """What the first pool says, after loading what is named before that."""
    busy = True
    while True:
        while not select.select([control], [], [], 0.0 if busy else LOOK_FOR_PARENT)[0]:
            if os.getppid() != parent:
                raise EOFError("the process that this one stands by for is gone")
            busy = next(steps, steps) is not steps
        told: Preparation | tuple[str, ...] = pickle.loads(receive(control))
        if isinstance(told, Preparation):
            return told
        _load_all(told)


class ForkServer:
    """Forks a worker for ``spawn NUMBER``, kills and reaps one for ``kill NUMBER``.

    A worker is killed only here, where it is not yet reaped, so that a process id which
    the system has given away again is never shot. ``ping NUMBER`` is answered, so that the
    other side can tell a frozen fork server from a worker that the kernel cannot end.
    """

    def __init__(self, control: socket.socket, memory_cap: int | None, parent: int) -> None:
        self._control = control
        self._memory_cap = memory_cap
        self._parent = parent
        self._pids: dict[int, int] = {}
        self._dying: set[int] = set()
        self._text = b""
        self._channels: list[int] = []

    def serve(self) -> None:
        """Obey until the other side closes its end or is gone."""
        try:
            while os.getppid() == self._parent and self._hear():
                self._reap()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other side went away in between: the same end as a closed channel
        finally:
            for pid in self._pids.values():
                os.kill(pid, signal.SIGKILL)

    def _hear(self) -> bool:
        """Take what commands have come; False once the channel is closed."""
        patience = LOOK_FOR_DEAD if self._dying else LOOK_FOR_PARENT
        if not select.select([self._control], [], [], patience)[0]:
            return True
        data, fds, _, _ = socket.recv_fds(self._control, COMMAND_ROOM, FDS_ROOM)
        for channel_fd in fds:
            os.set_inheritable(channel_fd, False)  # a task's own children must not keep it open
        self._channels += fds
        *commands, self._text = (self._text + data).split(b"\n")
        for command in commands:
            self._obey(*command.split())
        return bool(data)

    def _obey(self, verb: bytes, number: bytes) -> None:
        if verb == b"spawn":
            self._spawn(int(number), self._channels.pop(0))
        elif verb == b"kill":
            os.kill(self._pids[int(number)], signal.SIGKILL)
            self._dying.add(int(number))
        else:
            send(self._control, ("pong", int(number)))

    def _spawn(self, number: int, channel_fd: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_worker(channel_fd)
        os.close(channel_fd)
        self._pids[number] = pid

    def _become_worker(self, channel_fd: int) -> None:
        """Never returns: the fork server's own clean-up must not run in its children."""
        status = 1
        try:
            self._control.close()
            for other in self._channels:
                os.close(other)
            worker.serve(socket.socket(fileno=channel_fd), self._memory_cap, os.getppid())
            status = 0
        except BaseException:
            with contextlib.suppress(Exception):
                traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        for number in list(self._dying):
            pid, status = os.waitpid(self._pids[number], os.WNOHANG)
            if pid:
                self._dying.discard(number)
                del self._pids[number]
                send(self._control, ("dead", (number, os.waitstatus_to_exitcode(status))))
