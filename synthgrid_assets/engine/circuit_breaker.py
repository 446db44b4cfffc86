"""Stop making tiles while the store takes none: closed, open, half-open with one probe.

Belongs here: the state machine, on a clock that is given. Not here: who waits (`window`).

Breakers from the registry let every waiting call through once they are half-open; this one
lets a single task probe the store. They also count failures only, where a store that is
stalling does not fail.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from synthgrid_assets.errors import EngineError, StorageError

USUAL, FASTER = 1 / 64, 1 / 8  # weights of a new sample; a faster store is believed sooner


class State(Enum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class BreakerSettings:
    """When writing counts as broken, and how it is tried again.

    Parameters
    ----------
    failures : int
        Storage errors in a row that open the breaker.
    slowdown : float
        Factor that opens it, on the usual time of a commit and on the usual bytes a second,
        both at once: a small file is neither slow nor a large one.
    least_latency : float
        Seconds; commits that take less are never slow.
    samples : int
        Commits that are averaged.
    cool_off, cool_off_limit : float
        Seconds until the first probe, doubled after each probe that fails, and their limit.
    patience : float
        Seconds without any write after which waiting tasks are given up, if the store fails.

    Raises
    ------
    EngineError
        For a value out of range.
    """

    failures: int = 5
    slowdown: float = 8.0
    least_latency: float = 0.1
    samples: int = 8
    cool_off: float = 1.0
    cool_off_limit: float = 30.0
    patience: float = 120.0

    def __post_init__(self) -> None:
        positive = ("least_latency", "cool_off", "cool_off_limit", "patience")
        bounds = {"failures": 1, "slowdown": 2.0, "samples": 1, **dict.fromkeys(positive, 0.0)}
        for name, least in bounds.items():
            value = getattr(self, name)
            if not (value >= least and math.isfinite(value)):
                raise EngineError(
                    f"breaker: {name} must be finite and at least {least}, got {value!r}"
                )


Change = Callable[[State, State, str, dict[str, float]], None]


class CircuitBreaker:
    """Whether a task may begin, by what the commits of others have met.

    Parameters
    ----------
    settings : BreakerSettings
    clock : callable
        Seconds, never going back.
    on_change : callable
        Told ``before, after, cause, figures`` at each change of state.

    Notes
    -----
    What is in flight when the breaker opens finishes; only its probe's outcome counts then. A
    store that stays slow but writes becomes the new usual after a few probes, since each one
    that is too slow doubles what the next may take: a run on it goes on, slowly.

    References
    ----------
    M. Nygard, *Release It!*, 2nd ed. (2018), section 5.2.

    Examples
    --------
    >>> now = [0.0]
    >>> breaker = CircuitBreaker(BreakerSettings(failures=2), lambda: now[0], lambda *_: None)
    >>> for task in "ab":
    ...     breaker.failed(task, StorageError("no space left"))
    >>> breaker.state.value, breaker.admits("c")
    ('open', False)
    >>> now[0] = 1.0
    >>> breaker.admits("c"), breaker.admits("d")  # one probe
    (True, False)
    >>> breaker.succeeded("c", 0.01, 1000)
    >>> breaker.state.value
    'closed'
    """

    def __init__(
        self, settings: BreakerSettings, clock: Callable[[], float], on_change: Change
    ) -> None:
        self.state = State.CLOSED
        self._settings, self._clock, self._on_change = settings, clock, on_change
        self._usual = math.nan  # seconds a commit
        self._usual_rate = math.nan  # bytes a second
        self._seen = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=settings.samples)
        self._failures = 0
        self._last_error: StorageError | None = None
        self._probe: object | None = None
        self._tolerance = 1.0
        self._opened = self._until = 0.0
        self._cool_off = settings.cool_off

    def admits(self, task: object) -> bool:
        """Whether a task may begin now; after the cool-off one may, as the probe."""
        if self.state is State.CLOSED:
            return True
        if self._probe is not None or self._clock() < self._until:
            return False
        self._probe = task
        self._turn(State.HALF_OPEN, "one task probes the store")
        return True

    def wait(self) -> float:
        """Seconds until it is worth to ask again; infinite while a probe is out."""
        if self.state is State.CLOSED:
            return 0.0
        if self._probe is not None:
            return math.inf
        return max(self._until - self._clock(), 0.0)

    def refusal(self) -> StorageError | None:
        """Why waiting is of no more use; None while it is."""
        closed, failing = self.state is State.CLOSED, self._last_error
        if closed or failing is None or self._clock() - self._opened < self._settings.patience:
            return None
        return StorageError(
            f"the store has taken no file for {self._settings.patience:g} s; the last error was: "
            f"{failing}"
        )

    def succeeded(self, task: object, latency: float, written: int) -> None:
        """A task has committed; `latency` 0 where it had nothing to commit."""
        self._failures, self._last_error = 0, None
        if self.state is State.CLOSED:
            if latency > 0:
                self._learn(latency, written)
        elif task is self._probe:
            self._judge_probe(latency, written)

    def failed(self, task: object, error: Exception) -> None:
        """An attempt has ended in an error; only those of storage count."""
        if not isinstance(error, StorageError):
            self.let_go(task)
            return
        self._failures, self._last_error = self._failures + 1, error
        if task is self._probe:
            self._reopen(f"the probe failed: {error}")
        elif self.state is State.CLOSED and self._failures >= self._settings.failures:
            self._open(f"{self._failures} writes in a row failed, the last one: {error}")

    def let_go(self, task: object) -> None:
        """A task ends without a word about the store; another one may probe it."""
        if task is self._probe:
            self._probe, self._until = None, self._clock()
            self._turn(State.OPEN, "the probe ended for another reason")

    def _learn(self, latency: float, written: int) -> None:
        self._recent.append((latency, written))
        rate = written / latency
        if self._seen < self._settings.samples:
            self._seen += 1
            share = 1 / self._seen
            self._usual = latency if self._seen == 1 else _towards(self._usual, latency, share)
            first = self._seen == 1
            self._usual_rate = rate if first else _towards(self._usual_rate, rate, share)
            return
        if self._is_slow():
            self._open("commits are slow")
            return
        if latency < self._settings.slowdown / 2 * self._usual:
            share = FASTER if latency < self._usual else USUAL
            self._usual = _towards(self._usual, latency, share)
            self._usual_rate = _towards(self._usual_rate, rate, USUAL)

    def _is_slow(self) -> bool:
        if len(self._recent) < self._settings.samples:
            return False
        seconds, written = (sum(column) for column in zip(*self._recent, strict=True))
        latency, rate = seconds / len(self._recent), written / seconds
        return self._is_beyond(latency, rate, self._settings.slowdown)

    def _is_beyond(self, latency: float, rate: float, factor: float) -> bool:
        """Whether a commit takes `factor` times the usual, also for its bytes."""
        if latency < self._settings.least_latency or math.isnan(self._usual):
            return False
        fewer = self._usual_rate == 0 or rate <= self._usual_rate / factor
        return fewer and latency >= self._usual * factor

    def _judge_probe(self, latency: float, written: int) -> None:
        """Close if the probe took no more than half of what opens, else wait longer."""
        rate = written / latency if latency > 0 else 0.0
        allowed = self._settings.slowdown / 2 * self._tolerance
        if self._is_beyond(latency, rate, allowed):
            self._tolerance *= 2
            self._reopen("the probe was slow")
            return
        if self._is_beyond(latency, rate, self._settings.slowdown / 2):
            self._usual, self._usual_rate = latency, rate  # the store has become slower for good
        self._probe, self._tolerance = None, 1.0
        self._cool_off = self._settings.cool_off
        self._recent.clear()
        self._turn(State.CLOSED, "the probe went well")

    def _open(self, cause: str) -> None:
        self._opened = self._clock()
        self._until = self._opened + self._cool_off
        self._turn(State.OPEN, cause)
        self._recent.clear()

    def _reopen(self, cause: str) -> None:
        self._probe = None
        self._cool_off = min(2 * self._cool_off, self._settings.cool_off_limit)
        self._until = self._clock() + self._cool_off
        self._turn(State.OPEN, cause)

    def _turn(self, state: State, cause: str) -> None:
        before, self.state = self.state, state
        seconds = [latency for latency, _ in self._recent]
        figures = {
            "usual_latency": self._usual,
            "usual_rate": self._usual_rate,
            "latency": math.fsum(seconds) / len(seconds) if seconds else math.nan,
            "failures": float(self._failures),
            "cool_off": self._cool_off,
        }
        self._on_change(before, state, cause, figures)


def _towards(value: float, sample: float, share: float) -> float:
    return value + share * (sample - value)
