"""A gateway that serves in a thread, and a client that shows what is on the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgrid_assets.services.gateway.options import GatewayOptions, Limits
from synthgrid_assets.services.gateway.serve import server_of

GEOJSON = {"content-type": "application/geo+json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A running gateway."""

    def __init__(self, options: GatewayOptions) -> None:
        self.options = options
        self.server = server_of(options)
        self.gateway = self.server.config.app.state.gateway
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Served:
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started:
            assert self.thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self.thread.join(20)

    @property
    def address(self) -> tuple[str, int]:
        return self.options.host, self.options.port

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own; a header's ``_`` stands for ``-``."""
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=20)) as line:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request(method, path, body, named)
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())

    def post(self, body: Any, path: str = "/collections/parcels/items", **headers: str) -> Answer:
        return self.ask("POST", path, body, **({"content_type": "application/geo+json"} | headers))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def options_in(folder: Path, *, limits: Limits | None = None, **changes: Any) -> GatewayOptions:
    """Options of a gateway below a folder, on a port of its own, without workers."""
    fields = {"data": str(folder), "port": free_port(), "workers": 0, "limits": limits or Limits()}
    return GatewayOptions(**(fields | changes))
