"""A file on another machine, read by ranges: with patience, bounded in bytes, of one state.

Belongs here: retries, the cache of blocks, the limit on what is fetched. Not here: protocols
(`http_ranges`, `s3_ranges`), and how GDAL reads from it (`gdal_opener`).

Ranges are fetched by threads of their own, several at once, so whoever asks from an event loop's
thread pool holds up nobody else.
"""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from synthgrid_assets.engine.backoff import waits
from synthgrid_assets.errors import SpecError, UnreachableError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.remote.entity import (
    ChangedError,
    Entity,
    Found,
    PassingError,
    Ranges,
)
from synthgrid_assets.settings import remote_limit

BLOCK = 1 << 16  # bytes: a range is whole blocks
CACHED = 1 << 25  # bytes of blocks that are kept
_RUN = 1 << 22  # bytes that one request asks for at most
_AT_ONCE = 4  # requests
TRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds
_LONGEST_ASKED = 30.0  # seconds that a server may make us wait

Result = TypeVar("Result")


def ranges_of(address: Address) -> Ranges:
    """What asks for ranges of an address."""
    if address.scheme == "s3":
        from synthgrid_assets.inputs.remote.s3_ranges import S3Ranges

        return S3Ranges(address)
    from synthgrid_assets.inputs.remote.http_ranges import HttpRanges

    return HttpRanges(address)


def find(address: Address) -> Found:
    """The state of a file now.

    Raises
    ------
    UnreachableError
        If its server cannot be reached, after some tries.
    SpecError
        If it cannot be read; says why.
    """
    return _patiently(address, lambda: ranges_of(address).find())


class RemoteFile:
    """The bytes of one state of a file.

    Parameters
    ----------
    address : Address
    found : Found
        As `find` gave it.

    Notes
    -----
    No more is ever fetched than ``SYNTHGRID_REMOTE_LIMIT`` bytes by one of these, and no more
    kept than 32 MiB of blocks (or the file, where it has to be read whole).
    """

    def __init__(self, address: Address, found: Found) -> None:
        self.address = address
        self.entity: Entity = found.entity
        self.fetched = len(found.first)
        self._whole = found.first if found.whole else None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.RLock()
        self._limit = remote_limit()
        for number in range(0, 0 if found.whole else len(found.first) // BLOCK):
            self._blocks[number] = found.first[number * BLOCK : (number + 1) * BLOCK]

    def read(self, asked: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of some ranges ``(start, size)``, as many as there are.

        Raises
        ------
        SpecError
            If the file has changed, or too much would be fetched.
        UnreachableError
            If the server cannot be reached any more.
        """
        length = self.entity.length
        ends = [(min(start, length), min(start + size, length)) for start, size in asked]
        if self._whole is not None:
            return [self._whole[start:stop] for start, stop in ends]
        with self._lock:
            wanted = {
                number
                for start, stop in ends
                if stop > start
                for number in range(start // BLOCK, (stop - 1) // BLOCK + 1)
            }
            blocks = self._have(sorted(wanted))
        return [_cut(blocks, start, stop) for start, stop in ends]

    def _have(self, wanted: list[int]) -> dict[int, bytes]:
        """Blocks by number: those that are kept, and the rest from the server."""
        have = {number: self._blocks[number] for number in wanted if number in self._blocks}
        runs = _runs([number for number in wanted if number not in have])
        if runs:
            self._count(runs)
            with ThreadPoolExecutor(min(_AT_ONCE, len(runs)), "synthgrid-ranges") as pool:
                for first, data in zip(
                    (run[0] for run in runs), pool.map(self._fetch, runs), strict=True
                ):
                    for at in range(0, len(data), BLOCK):
                        have[first + at // BLOCK] = data[at : at + BLOCK]
        for number in wanted:
            self._blocks[number] = have[number]
            self._blocks.move_to_end(number)
        while len(self._blocks) > CACHED // BLOCK:
            self._blocks.popitem(last=False)
        return have

    def _count(self, runs: list[tuple[int, int]]) -> None:
        length = self.entity.length
        more = sum(min(stop * BLOCK, length) - start * BLOCK for start, stop in runs)
        if self.fetched + more > self._limit:
            raise SpecError(
                f"{self.address}: more than {self._limit / 1e6:,.0f} MB would have to be read of "
                "it; use a smaller extent or a coarser raster, save it as a file on this machine, "
                "or raise SYNTHGRID_REMOTE_LIMIT (bytes)"
            )
        self.fetched += more

    def _fetch(self, run: tuple[int, int]) -> bytes:
        start, stop = run[0] * BLOCK, min(run[1] * BLOCK, self.entity.length)
        return _patiently(
            self.address, lambda: ranges_of(self.address).read(start, stop, self.entity)
        )


def _cut(blocks: dict[int, bytes], start: int, stop: int) -> bytes:
    """Bytes ``[start, stop)`` out of blocks."""
    if stop <= start:
        return b""
    first, last = start // BLOCK, (stop - 1) // BLOCK
    joined = b"".join(blocks[number] for number in range(first, last + 1))
    return joined[start - first * BLOCK : stop - first * BLOCK]


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ranges of consecutive numbers, none longer than one request may be.

    Examples
    --------
    >>> _runs([0, 1, 2, 7])
    [(0, 3), (7, 8)]
    """
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number and number - runs[-1][0] < _RUN // BLOCK:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _patiently(address: Address, work: Callable[[], Result]) -> Result:
    """What a request gives, tried again after failures that may pass."""
    pauses = waits(_FIRST_PAUSE, _LONGEST_PAUSE, random.Random())
    for tried in range(1, TRIES + 1):
        try:
            return work()
        except PassingError as error:
            reason = str(error)
            if tried < TRIES:
                time.sleep(max(next(pauses), min(error.pause, _LONGEST_ASKED)))
        except ChangedError as error:
            raise ChangedError(f"{address}: {error}") from error
        except SpecError as error:
            raise SpecError(f"{address}: {error}") from error
    raise UnreachableError(
        f"{address}: cannot be read: {reason}, {TRIES} times; check the network and try again"
    )
