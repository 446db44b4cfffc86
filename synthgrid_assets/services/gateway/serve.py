"""Running a gateway: the server with its limits, and the landing workers along with it.

Belongs here: processes and signals of ``synthgrid gateway serve``. Not here: requests (`app`)
and work (`landing`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

import uvicorn

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.app import build_app
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.landing.processes.process_limits import ENVIRONMENT
from synthgrid_assets.services.gateway.log import start_log, tell
from synthgrid_assets.services.gateway.options import (
    OPTIONS_VARIABLE,
    PARENT_VARIABLE,
    READY_VARIABLE,
    GatewayOptions,
)
from synthgrid_assets.services.gateway.receiving.guarded_protocol import guarded_protocol
from synthgrid_assets.services.gateway.runtime import Gateway, Landing

_PAUSE = 1.0  # seconds before a supervisor that ended is started again


def server_of(options: GatewayOptions) -> uvicorn.Server:
    """A server that is not yet running.

    Raises
    ------
    SpecError
        If the address may not be served unsigned, or a file is wrong.
    StorageError
        If the inbox cannot be opened.
    """
    options.check_binding()
    limits = options.limits
    protocol = guarded_protocol(
        header_seconds=limits.header_seconds, header_bytes=limits.header_bytes
    )
    config = uvicorn.Config(
        build_app(options),
        host=options.host,
        port=options.port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(int(options.grace), 1),
    )
    return uvicorn.Server(config)


def become_gateway(options: GatewayOptions) -> NoReturn:
    """Replace this process by one that serves, and has loaded only what that takes.

    Raises
    ------
    SpecError
        If the address may not be served unsigned.
    """
    options.check_binding()
    environment = {**os.environ, OPTIONS_VARIABLE: options.to_json()}
    command = [sys.executable, "-m", "synthgrid_assets.services.gateway"]
    os.execve(sys.executable, command, environment)


def serve(options: GatewayOptions) -> None:
    """Serve until the process is asked to end, with landing workers beside."""
    start_log()
    server = server_of(options)
    gateway: Gateway = server.config.app.state.gateway  # type: ignore[union-attr]
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again at its end, which must not end the end of workers
        signal.signal(number, lambda number, frame: None)
    tell("serving", host=options.host, port=options.port, data=options.data)
    with contextlib.ExitStack() as stack:
        if options.workers:
            stack.enter_context(landing_process(options, gateway.tell_landing))
        server.run()
    tell("stopped", host=options.host, port=options.port)


def work(options: GatewayOptions) -> int:
    """Land until the process is asked to end, without serving; its exit code.

    Raises
    ------
    StorageError
        If no gateway has made the inbox: a worker at a wrong address would wait for ever.
    """
    with Database(options.database, INBOX, private=True, create=False) as database:
        Ledger(database).counts()
    with _started(options, parent=0) as (process, _):
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal told the supervisor as well


@contextlib.contextmanager
def landing_process(options: GatewayOptions, told: Callable[[Landing], None]) -> Iterator[None]:
    """A supervisor of workers as long as the block lasts, started again if it ends.

    Parameters
    ----------
    options : GatewayOptions
        Where and how.
    told : callable
        Called with how far it is, from another thread.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_keep, args=(options, ended, told), name="landing")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep(options: GatewayOptions, ended: threading.Event, told: Callable[[Landing], None]) -> None:
    # the kernel ends the supervisor when the thread ends that started it: this one
    while not ended.is_set():
        told("starting")
        with _started(options, parent=os.getpid()) as (process, ready):
            while process.poll() is None and not ended.wait(0.1):
                if _is_told(ready):
                    told("ready")
        if not ended.is_set():
            tell("supervisor ended", status=process.returncode)
            ended.wait(_PAUSE)


def _is_told(ready: int) -> bool:
    try:
        return bool(os.read(ready, 1))  # nothing once its other end is closed
    except BlockingIOError:
        return False


@contextlib.contextmanager
def _started(options: GatewayOptions, parent: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A supervisor, and a descriptor that a byte comes from when its workers may land."""
    module = "synthgrid_assets.services.gateway.landing"
    # not as arguments, which every user of the machine sees: an address may hold a password
    given = {OPTIONS_VARIABLE: options.to_json(), PARENT_VARIABLE: str(parent)}
    command = [sys.executable, "-m", module]
    ready, theirs = os.pipe()
    os.set_blocking(ready, False)
    given[READY_VARIABLE] = str(theirs)
    try:
        process = subprocess.Popen(
            command, env={**os.environ, **ENVIRONMENT, **given}, pass_fds=(theirs,)
        )
    finally:
        os.close(theirs)
    try:
        yield process, ready
    finally:
        os.close(ready)
        process.terminate()
        try:
            process.wait(options.grace + 5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
