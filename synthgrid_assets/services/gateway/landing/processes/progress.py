"""What a worker is at, in memory that its supervisor reads: it survives the worker.

Belongs here: the shared record. Not here: what is made of it (`supervisor`).
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

_RECORD = struct.Struct("<32sqqdqqQ")  # job, first, count, began, jobs, features, generation
_ENDS = struct.Struct("<Q")


class Now(NamedTuple):
    """A worker's place.

    Attributes
    ----------
    job : str
        The job in work, empty between jobs.
    first, size : int
        Features in work, by their place in the body.
    began : float
        When that work began, on the monotonic clock.
    jobs, features : int
        How many were done since the worker began.
    """

    job: str
    first: int
    size: int
    began: float
    jobs: int
    features: int


class Progress:
    """One worker's record; made before the fork, written by the child, read by the parent.

    Examples
    --------
    >>> progress = Progress()
    >>> progress.begin("job-1", 0, 4096)
    >>> progress.read()[:3]
    ('job-1', 0, 4096)
    >>> progress.rest()
    >>> progress.read().job
    ''
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._jobs = self._features = self._generation = 0
        self.rest()

    def begin(self, job: str, first: int, count: int) -> None:
        """Say what is worked on from now on."""
        self._write(job, first, count)

    def rest(self) -> None:
        """Say that nothing is."""
        self._write("", 0, 0)

    def done(self, *, jobs: int = 0, features: int = 0) -> None:
        """Count what was done."""
        self._jobs += jobs
        self._features += features

    def read(self) -> Now:
        """What was said last; never half of it."""
        while True:
            (before,) = _ENDS.unpack_from(self._memory, _RECORD.size)
            content = bytes(self._memory[: _RECORD.size])
            job, first, size, began, jobs, features, generation = _RECORD.unpack(content)
            (after,) = _ENDS.unpack_from(self._memory, _RECORD.size)
            if before == generation == after:
                return Now(job.rstrip(b"\0").decode(), first, size, began, jobs, features)

    def _write(self, job: str, first: int, count: int) -> None:
        self._generation += 1
        # a reader takes the record only if both numbers are equal: the last is set last
        _ENDS.pack_into(self._memory, _RECORD.size, 0)
        self._memory[: _RECORD.size] = _RECORD.pack(
            job.encode()[:32],
            first,
            count,
            time.monotonic(),
            self._jobs,
            self._features,
            self._generation,
        )
        _ENDS.pack_into(self._memory, _RECORD.size, self._generation)
