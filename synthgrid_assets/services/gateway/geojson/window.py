"""A sliding window over a body of any size: bytes in a buffer, zeros behind them.

Belongs here: reading, dropping and growing. Not here: what the bytes say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geojson.kernels.words import MARGIN

Source = BinaryIO | Iterable[bytes]


def _pieces(source: Source, size: int) -> Iterator[memoryview]:
    read = getattr(source, "read", None)
    if read is None:
        for piece in source:
            yield memoryview(piece)
    else:
        while piece := read(size):
            yield memoryview(piece)


class ByteWindow:
    """The part of a body that is in memory.

    Parameters
    ----------
    source : binary file or iterable of bytes
    size : int
        Bytes read at once.

    Attributes
    ----------
    buffer : ndarray of uint8
        Its first `end` bytes are data; at least `MARGIN` zeros follow.
    end : int
    offset : int
        Where in the body ``buffer[0]`` stands.
    ended : bool
        Whether the source has no more.

    Examples
    --------
    >>> window = ByteWindow([b"ab", b"cdef"], size=4)
    >>> window.more(0), bytes(window.buffer[: window.end])
    (True, b'abcd')
    >>> window.more(3), window.offset, bytes(window.buffer[: window.end])
    (True, 3, b'def')
    """

    def __init__(self, source: Source, size: int = 1 << 20) -> None:
        self._pieces = _pieces(source, size)
        self._rest = memoryview(b"")
        self._size = size
        self.buffer: NDArray[np.uint8] = np.zeros(size + MARGIN, np.uint8)
        self.end = 0
        self.offset = 0
        self.ended = False

    def more(self, keep: int) -> bool:
        """Drop what stands before `keep`, which becomes 0, and read on.

        A window that is full from its first byte on is doubled, so that what is read again
        from its start costs a constant times its length.

        Parameters
        ----------
        keep : int

        Returns
        -------
        bool
            Whether anything was added.
        """
        left = self.end - keep
        if left > (self.buffer.size - MARGIN) // 2:
            grown = np.zeros(2 * self.buffer.size, np.uint8)
            grown[:left] = self.buffer[keep : self.end]
            self.buffer = grown
        elif keep:
            self.buffer[:left] = self.buffer[keep : self.end].copy()
        self.end = left
        self.offset += keep
        added = self._fill()
        self.buffer[self.end : self.end + MARGIN] = 0
        return added > 0

    def _fill(self) -> int:
        first = self.end
        room = self.buffer.size - MARGIN
        while self.end < room and not self.ended:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    self.ended = True
                    break
                self._rest = piece
            part = self._rest[: room - self.end]
            self.buffer[self.end : self.end + len(part)] = np.frombuffer(part, np.uint8)
            self.end += len(part)
            self._rest = self._rest[len(part) :]
        return self.end - first

    def bytes(self, start: int, end: int) -> bytes:
        """A copy of the bytes from start to end."""
        return self.buffer[start:end].tobytes()
