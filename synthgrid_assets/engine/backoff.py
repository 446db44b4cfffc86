"""How long to wait before a task is tried again.

Belongs here: the schedule. Not here: which errors deserve it (`errors`: ``retryable``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def waits(first: float, limit: float, draw: random.Random) -> Iterator[float]:
    """Seconds before each retry: exponential backoff with full jitter, without end.

    The k-th wait is uniform on ``[0, min(limit, first * 2**k)]``, so that tasks which
    failed together (a full disk, a store that refuses) do not come back together.

    Parameters
    ----------
    first, limit : float
        Seconds the first wait, and any wait, takes at most.
    draw : random.Random
        Source of the jitter.

    References
    ----------
    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Examples
    --------
    >>> from itertools import islice
    >>> [round(wait, 2) for wait in islice(waits(0.2, 1.0, random.Random(7)), 4)]
    [0.06, 0.06, 0.52, 0.07]
    """
    bound = first
    while True:
        yield draw.uniform(0.0, min(limit, bound))
        bound = min(limit, 2 * bound)
