"""Quotas: a token bucket for each client.

Belongs here: how often a client may come. Not here: how full the gateway is (`geofence`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_IDLE = 3600.0  # seconds after which a full bucket is forgotten
_CROWD = 10_000


@dataclass
class _Bucket:
    tokens: float
    seen: float


class Quotas:
    """Buckets that fill at a rate and hold a burst.

    Parameters
    ----------
    clock : callable
        Seconds from any origin.

    Examples
    --------
    >>> quotas = Quotas(clock=lambda: 0.0)
    >>> [quotas.wait("fleet", rate=10.0, burst=2.0) for _ in range(3)]
    [0.0, 0.0, 0.1]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, client: str, *, rate: float, burst: float, cost: float = 1.0) -> float:
        """Seconds until a request may come: 0 takes it, more takes nothing.

        Parameters
        ----------
        client : str
            Whose bucket.
        rate, burst : float
            Requests a second, and at once after a pause.
        cost : float
            How many requests it counts for.
        """
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[client] = _Bucket(burst, now)
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.seen) * rate)
        bucket.seen = now
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / rate
        bucket.tokens -= cost
        return 0.0

    def _forget(self, now: float) -> None:
        if len(self._buckets) >= _CROWD:
            stale = [name for name, bucket in self._buckets.items() if now - bucket.seen > _IDLE]
            for name in stale:
                del self._buckets[name]
