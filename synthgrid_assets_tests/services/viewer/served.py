"""A viewer that serves in a thread, and a client that shows what is on the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from synthgrid_assets.services.viewer.options import ViewerOptions
from synthgrid_assets.services.viewer.serve import bound, server_of


class ServedViewer:
    """A running viewer on a port of its own; nobody answers where Dagster should be."""

    def __init__(self, **options: Any) -> None:
        self.options = ViewerOptions(**{"port": 0, "dagster": "http://127.0.0.1:9"} | options)
        self.server = server_of(self.options)
        self.viewer = self.server.config.app.state.viewer
        self.socket = bound(self.options)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> ServedViewer:
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started:
            assert self.thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self.viewer.ending = True
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and content of an answer; a header's ``_`` stands for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, 20)) as line:
            line.request(method, path, body, named)
            answer = line.getresponse()
            content = answer.read()
            kind = answer.getheader("content-type", "")
            return answer.status, json.loads(content) if "json" in kind else content

    def post(self, path: str, content: Any, **headers: str) -> tuple[int, Any]:
        """A request as the page sends it, but for the headers that are given."""
        own = {
            "origin": self.url,
            "content_type": "application/json",
            "x_synthgrid_token": self.viewer.token,
        }
        return self.ask("POST", path, json.dumps(content), **(own | headers))

    def events(self, world: str) -> Iterator[dict[str, Any]]:
        """What a page is told, as long as somebody reads."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, 20)) as line:
            line.request("GET", f"/api/worlds/{world}/events")
            answer = line.getresponse()
            while told := answer.readline():
                if told.startswith(b"data: "):
                    yield json.loads(told.removeprefix(b"data: "))
