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


class Listener(Protocol):
    """Who is told what a worker does."""

    def greeted(self, worker: WorkerLink) -> None:
        """The worker is ready for its first order."""

    def answered(self, worker: WorkerLink, order: Order, payload: bytes) -> None:
        """The worker has finished its order and has none now."""

    def lost(self, worker: WorkerLink) -> None:
        """The worker closed its channel without being told to."""


class WorkerLink(asyncio.Protocol):
    """One worker: its number in the nursery, its pid, the order it has.

    Parameters
    ----------
    number : int
        The name the nursery knows it by.
    listener : Listener
        Told of greetings, answers and loss; never again after `leave`.
    """

    def __init__(self, number: int, listener: Listener) -> None:
        self.number = number
        self.pid = 0
        self.order: Order | None = None
        self.answers = 0
        self._listener = listener
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._left = False

    def begin(self, order: Order, message: bytes, alarm: asyncio.TimerHandle) -> None:
        """Send a task; `alarm` is silenced by its answer."""
        assert self._transport is not None, "a worker greets before it is given work"
        self.order = order
        self._alarm = alarm
        order.running = True
        self._transport.write(frame(message))

    def leave(self) -> None:
        """Close the channel; nothing that still arrives counts."""
        self._left = True
        self._silence()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the event loop)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._left:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the stream (called by the event loop)."""
        for payload in self._reader.feed(data):
            if self._left:
                return
            if self.pid == 0:
                self.pid = pickle.loads(payload)
                self._listener.greeted(self)
            elif self.order is not None:
                order, self.order = self.order, None
                self._silence()
                self.answers += 1
                self._listener.answered(self, order, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the worker is gone (called by the event loop)."""
        if not self._left:
            self._listener.lost(self)

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
