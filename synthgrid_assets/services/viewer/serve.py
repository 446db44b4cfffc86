"""Running a viewer until it is asked to end.

Belongs here: the server and its address. Not here: requests (`app`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.viewer.app import build_app
from synthgrid_assets.services.viewer.options import ViewerOptions

_LOOK_AT_PARENT = 1.0  # seconds


def bound(options: ViewerOptions) -> socket.socket:
    """A socket on the viewer's address.

    Raises
    ------
    SpecError
        If the port is taken; says what to do.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((options.host, options.port))
    except OSError as error:
        found.close()
        raise SpecError(
            f"port {options.port} of {options.host} cannot be had ({error.strerror}); choose "
            f"another: synthgrid view --port {options.port + 1}"
        ) from error
    return found


def serve(options: ViewerOptions, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, which also end the runs that were started on the map.

    Parameters
    ----------
    options : ViewerOptions
    tell : callable
        Is told the address once it can be opened.

    Raises
    ------
    SpecError
        If the port is taken, or the world's file has mistakes.
    """
    server = server_of(options)
    with bound(options) as sock:
        host, port = sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        sock.listen()
        tell(f"the map is on http://{shown}:{port} (Ctrl-C ends it)")
        if options.with_parent:
            threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
            server.run([sock])


def server_of(options: ViewerOptions) -> uvicorn.Server:
    """A server that is not yet running.

    Raises
    ------
    SpecError
        If the file of the world that it shall show has mistakes.
    """
    app = build_app(options)
    if options.world is not None:
        app.state.viewer.first()
    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
    )


def _end_with_parent(server: uvicorn.Server) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(_LOOK_AT_PARENT)
    server.handle_exit(signal.SIGTERM, None)


class _Server(uvicorn.Server):
    """A server whose streams learn of its end, so that it need not cut them off."""

    def handle_exit(self, sig: int, frame: object) -> None:
        """Ctrl-C or SIGTERM."""
        self.config.app.state.viewer.ending = True  # type: ignore[union-attr]
        super().handle_exit(sig, frame)  # type: ignore[arg-type]
