"""Uvicorn's HTTP protocol with a time and a size for headers, and an end to what follows.

Belongs here: what must be stopped before there is a request. Not here: bodies (`upload`).

Uvicorn waits for the rest of a header for ever, keeps any length of it, takes fields behind
a body for those in front of it, and after an early answer reads the rest of a body however
long it takes.
"""

from __future__ import annotations

import asyncio
import http
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINGER = 5.0  # seconds to read and drop what follows an early answer, so that it is seen


def guarded_protocol(*, header_seconds: float, header_bytes: int) -> type[HttpToolsProtocol]:
    """A protocol class with these limits.

    Parameters
    ----------
    header_seconds : float
        From the first byte of a connection, or of a later request, to the header's end.
    header_bytes : int
        Bytes that may come before it.
    """

    class GuardedProtocol(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._timer: asyncio.TimerHandle | None = None
            self._linger: asyncio.TimerHandle | None = None
            self._in_header = True
            self._pending = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            self._timer = self.loop.call_later(header_seconds, self._refuse, 408)

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._timer, self._linger):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_header:
                self._pending += len(data)
                if self._pending > header_bytes:
                    self._refuse(431)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if not self._in_header:
                self._in_header, self._pending = True, 0
                self._timer = self.loop.call_later(header_seconds, self._refuse, 408)

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._in_header:  # a trailer says nothing of who sent what (RFC 9110 6.5.1)
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._in_header = False
            if self._timer is not None:
                self._timer.cancel()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            if self._linger is not None:
                self._linger.cancel()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.more_body:
                self._linger = self.loop.call_later(_LINGER, self.transport.close)

        def _refuse(self, status: int) -> None:
            """Answer a header that is not whole; there is no request that could."""
            if self.transport.is_closing():
                return
            line = f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
            rest = "content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write((line + rest).encode())
            self.transport.close()

    return GuardedProtocol
