"""How exact an answer is under load: one synchronous decision.

Belongs here: the signals and the rule. Not here: measuring the loop (`loop_watch`), the answers
(`zone_index`, `batching`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """What kind of answer a question gets."""

    EXACT = "exact"
    BOXES = "boxes"  # bounding boxes: a superset of the exact answer
    DEFERRED = "deferred"  # delivered later


@dataclass(frozen=True)
class TierLimits:
    """When answers become cheaper.

    Parameters
    ----------
    soft, hard : float
        Seconds of loop lag from which exact answers need a token, and from which there are none;
        from twice the latter on, questions are deferred.
    full, relaxed : float
        Shares of the queues' capacity from which exact answers need a token, and below which
        that ends again. At 1 questions are deferred.
    rate : float
        Points a second that may be answered exactly under pressure.
    burst : float
        Points that may be saved up.
    slow : float
        Seconds of one exact batch that count as slow.
    strikes, cooling : int, float
        So many slow batches in a row stop exact answers for so many seconds.
    """

    soft: float = 0.010
    hard: float = 0.040
    full: float = 0.8
    relaxed: float = 0.6
    rate: float = 50_000.0
    burst: float = 20_000.0
    slow: float = 0.030
    strikes: int = 5
    cooling: float = 1.0


class TierController:
    """Decides by loop lag and by how full the queues are.

    Parameters
    ----------
    limits : TierLimits, optional
    clock : callable
        Seconds from any origin.

    Attributes
    ----------
    counts : Counter
        Questions by tier.

    Examples
    --------
    >>> tiers = TierController()
    >>> tiers.observe_fill(1.0)
    >>> tiers.decide(100)
    <Tier.DEFERRED: 'deferred'>
    """

    def __init__(
        self, limits: TierLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits or TierLimits()
        self.counts: Counter[Tier] = Counter()
        self._clock = clock
        self._lag = 0.0
        self._fills: dict[str, float] = {}
        self._pressed = False
        self._tokens = self.limits.burst
        self._filled_at = clock()
        self._slow_batches = 0
        self._closed_until = -1.0

    @property
    def lag(self) -> float:
        """The loop lag that decisions go by: it falls by a fifth at each smaller one seen."""
        return self._lag

    def observe_lag(self, seconds: float) -> None:
        """How late the event loop came to a callback."""
        self._lag = max(seconds, 0.8 * self._lag)

    def observe_fill(self, share: float, queue: str = "") -> None:
        """How full a queue is, as a share of its capacity; the fullest one counts."""
        self._fills[queue] = share

    def observe_exact(self, seconds: float) -> None:
        """How long an exact batch took."""
        slow = seconds > self.limits.slow
        self._slow_batches = self._slow_batches + 1 if slow else 0
        if self._slow_batches >= self.limits.strikes:
            self._closed_until = self._clock() + self.limits.cooling
            self._slow_batches = self.limits.strikes - 1  # one more slow one closes it again

    def decide(self, points: int) -> Tier:
        """The tier of a batch of so many points."""
        tier = self._decide(points)
        self.counts[tier] += 1
        return tier

    def _decide(self, points: int) -> Tier:
        limits, now = self.limits, self._clock()
        self._tokens = min(limits.burst, self._tokens + (now - self._filled_at) * limits.rate)
        self._filled_at = now
        fill = max(self._fills.values(), default=0.0)
        if fill >= 1.0 or self._lag >= 2 * limits.hard:
            return Tier.DEFERRED
        if fill >= limits.full or self._lag >= limits.soft:
            self._pressed = True
        elif fill < limits.relaxed and self._lag < limits.soft / 2:
            self._pressed = False
        if now < self._closed_until or self._lag >= limits.hard:
            return Tier.BOXES
        if self._pressed:
            if self._tokens < points:
                return Tier.BOXES
            self._tokens -= points
        return Tier.EXACT
