"""How many tasks a window may hold: a limit that follows the latency of commits.

Belongs here: the rule. Not here: who obeys it (`window`), and stopping altogether
(`circuit_breaker`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

SHORT, LONG = 0.2, 0.01  # weights of a new sample in the two smoothed latencies
TOLERANCE = 1.5  # how much slower than usual leaves the depth as it is
LEAST_GRADIENT = 0.5
HEADROOM = 4.0  # tasks at most by which the limit grows in one step
SMOOTHING = 0.2
FORGETTING = 0.95  # of a long-term latency that is more than twice the present one

Change = Callable[[int, int, str, dict[str, float]], None]


class Depth:
    """The limit of tasks held, from `least` to `most`.

    Parameters
    ----------
    least, most : int
        Workers + 1, and what the settings allow.
    on_change : callable
        Told ``before, after, cause, figures`` at each change of the limit.

    Notes
    -----
    A gradient rule: ``limit <- limit * g + headroom`` with ``g = tolerance * usual latency /
    latency``, clipped to [1/2, 1]. While commits take as long as usual, the limit grows to
    `most`; when they queue up, it falls with their delay. No threshold has to be known for a
    disk or a store. A rule that adds one and halves at a
    threshold was tried on the same disks: it choked before a fault and did not come back on a
    jittery store.

    References
    ----------
    Netflix, "concurrency-limits", class Gradient2Limit, 2018. L. Brakmo and L. Peterson,
    "TCP Vegas: end to end congestion avoidance on a global Internet", IEEE Journal on
    Selected Areas in Communications 13 (1995).

    Examples
    --------
    >>> depth = Depth(3, 16, lambda *change: None)
    >>> for _ in range(200):
    ...     depth.seen(0.01, in_flight=depth.limit)
    >>> depth.limit
    16
    >>> for _ in range(20):
    ...     depth.seen(0.2, in_flight=depth.limit)
    >>> depth.limit < 16
    True
    """

    def __init__(self, least: int, most: int, on_change: Change) -> None:
        self.least, self.most = least, most
        self.limit = most
        self.latency = math.nan
        self._usual = math.nan
        self._exact = float(most)
        self._on_change = on_change

    def seen(self, latency: float, in_flight: int) -> None:
        """Take the latency of a commit into account, with the tasks held at the time."""
        if math.isnan(self.latency):
            self.latency = self._usual = latency
            return
        self.latency += SHORT * (latency - self.latency)
        self._usual += LONG * (latency - self._usual)
        if self._usual > 2 * self.latency:
            self._usual *= FORGETTING
        if in_flight < self._exact / 2:
            return  # little was asked for: its latency says nothing about more
        gradient = TOLERANCE * self._usual / max(self.latency, 1e-9)
        gradient = max(LEAST_GRADIENT, min(1.0, gradient))
        wanted = self._exact * gradient + min(HEADROOM, math.sqrt(self._exact))
        self._exact += SMOOTHING * (wanted - self._exact)
        self._exact = min(max(self._exact, self.least), self.most)
        self._set(int(self._exact), in_flight)

    def _set(self, limit: int, in_flight: int) -> None:
        if limit == self.limit:
            return
        before, self.limit = self.limit, limit
        cause = "commits take longer" if limit < before else "commits keep pace"
        figures = {"latency": self.latency, "usual": self._usual, "in_flight": in_flight}
        self._on_change(before, limit, cause, figures)
