"""A real HTTP server of one machine's files, as well or as badly behaved as a test wants.

Each answer goes over a socket. What misbehaves is named in `Behaviour`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """How the server treats its one file."""

    data: bytes = b""
    ranges: bool = True
    tag: str | None = "content"  # of the bytes; or literally this one; None for no ETag
    fail: list[int] = field(default_factory=list)  # statuses of the next answers
    pause_header: str = ""
    broken: int = 0  # answers whose body ends in the middle
    trickle: float = 0.0  # seconds before each of the body's bytes
    delay: float = 0.0  # seconds before each answer
    length_off: int = 0  # what Content-Length is wrong by
    total_off: int = 0  # what Content-Range's total is wrong by
    longer: int = 0  # bytes that are sent beyond the range
    shift: int = 0  # bytes that each later range is shifted by
    encoding: str = ""
    redirect: str = ""
    login: str = ""  # the Authorization header that is wanted
    then: bytes | None = None  # what the file becomes ...
    after: int = 0  # ... after so many answers
    asked: list[tuple[str, str | None, dict[str, str]]] = field(default_factory=list)
    sent: int = 0


class RangeServer:
    """The server, on a free port of this machine."""

    def __init__(self) -> None:
        self.file = Behaviour()
        self._closed = False
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering, open connections too; the port is free afterwards."""
        self._closed = True
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One answer, and how it goes wrong."""
        file = self.file
        if self._closed:
            request.close_connection = True
            return None
        asked = request.headers.get("Range")
        file.asked.append((request.path, asked, dict(request.headers)))
        if file.then is not None and len(file.asked) > file.after:
            file.data, file.then = file.then, None
        time.sleep(file.delay)
        if file.redirect:
            where, file.redirect = file.redirect, ""
            return _plain(request, 302, {"Location": where})
        if file.fail:
            extra = {"Retry-After": file.pause_header} if file.pause_header else {}
            return _plain(request, file.fail.pop(0), extra)
        if file.login and request.headers.get("Authorization") != file.login:
            return _plain(request, 401, {})
        return self._send(request, asked)

    def _send(self, request: BaseHTTPRequestHandler, asked: str | None) -> None:
        file, headers, status = self.file, {}, 200
        body = file.data
        if asked and file.ranges:
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            first += file.shift if first else 0
            last = min(last, len(body) - 1)
            total = len(body) + file.total_off
            body, status = file.data[first : last + 1 + file.longer], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{total}"
        if file.tag is not None:
            digest = hashlib.md5(file.data).hexdigest()
            headers["ETag"] = f'"{digest}"' if file.tag == "content" else file.tag
        if file.encoding:
            headers["Content-Encoding"] = file.encoding
        headers["Content-Length"] = str(len(body) + file.length_off)
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        if file.broken:
            file.broken -= 1
            body = body[: len(body) // 2]
            request.close_connection = True
        if file.length_off > 0:
            request.close_connection = True
        try:
            for at in range(0, len(body), 1 if file.trickle else len(body) or 1):
                time.sleep(file.trickle)
                request.wfile.write(body[at : at + 1] if file.trickle else body)
            file.sent += len(body)
        except OSError:
            request.close_connection = True


def _plain(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in (headers | {"Content-Length": "0"}).items():
        request.send_header(name, value)
    request.end_headers()
