"""The orchestrating side of one worker's socket.

Belongs here: bytes to and from one worker, and which order it has. Not here: what an
answer or a lost connection means for anyone else (`pool`).
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Protocol

from synthgrid_assets.engine.local.framing import FrameReader, frame
from synthgrid_assets.engine.task import Order

ROOM = 1 << 17


class Listener(Protocol):
    """Who is told what a worker does."""

    def ready(self, worker: WorkerConnection) -> None:
        """The worker can take its first order."""

    def answered(self, worker: WorkerConnection, order: Order, payload: bytes) -> None:
        """The worker has finished its order and has none now."""

    def lost(self, worker: WorkerConnection) -> None:
        """The worker closed its channel without being told to."""


class WorkerConnection(asyncio.BufferedProtocol):
    """One worker: its number in the fork server, its pid, the order it has.

    Parameters
    ----------
    number : int
        The name that the fork server knows it by.
    listener : Listener
        Told of readiness, answers and loss; never again after `close`.
    """

    def __init__(self, number: int, listener: Listener) -> None:
        self.number = number
        self.pid = 0
        self.order: Order | None = None
        self.due = 0.0
        self.answers = 0
        self._listener = listener
        self._reader = FrameReader()
        # kept: for each piece that a plain protocol receives, asyncio allocates 256 kB
        self._room = memoryview(bytearray(ROOM))
        self._transport: asyncio.Transport | None = None
        self._closed = False

    def begin(self, order: Order, message: bytes, due: float) -> None:
        """Send a task, which is late from `due` on (on the loop's clock)."""
        assert self._transport is not None, "a worker is ready before it is given work"
        self.order = order
        self.due = due
        order.running = True
        self._transport.write(frame(message))

    def close(self) -> None:
        """Close the channel; nothing that still arrives counts."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the event loop)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what arrives (called by the event loop)."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take in a piece of the stream (called by the event loop)."""
        for payload in self._reader.feed(self._room[:nbytes]):
            if self._closed:
                return
            if self.pid == 0:
                self.pid = pickle.loads(payload)
                self._listener.ready(self)
            elif self.order is not None:
                order, self.order = self.order, None
                self.answers += 1
                self._listener.answered(self, order, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the worker is gone (called by the event loop)."""
        if not self._closed:
            self._listener.lost(self)
