"""Pickled messages on a stream socket, each behind its length.

Belongs here: the framing shared by the orchestrating process, the fork server and the
workers. Not here: what the messages mean.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Iterator
from typing import Any

LENGTH = struct.Struct("!Q")


def frame(payload: bytes) -> bytes:
    """`payload` behind its length.

    Examples
    --------
    >>> list(FrameReader().feed(frame(b"tile") + frame(b"half")[:5]))
    [b'tile']
    """
    return LENGTH.pack(len(payload)) + payload


def send(channel: socket.socket, message: Any) -> None:
    """Pickle and send one message, blocking."""
    channel.sendall(frame(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)))


def receive(channel: socket.socket) -> bytes:
    """One payload, blocking.

    Raises
    ------
    EOFError
        When the other side has closed, also in the middle of a message.
    """
    (size,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    received = bytearray(size)
    room = memoryview(received)
    while room:
        count = channel.recv_into(room)
        if count == 0:
            raise EOFError("the other side closed the channel")
        room = room[count:]
    return bytes(received)


class FrameReader:
    """Cuts a stream that arrives in arbitrary pieces into payloads."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Take a piece of the stream; give every payload it completes."""
        self._buffer += data
        while len(self._buffer) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer)
            end = LENGTH.size + size
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[LENGTH.size : end])
            del self._buffer[:end]
            yield payload
