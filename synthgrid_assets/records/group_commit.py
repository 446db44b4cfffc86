"""Group commit: what several threads wait to have done is done in one transaction.

Belongs here: who leads, who waits, and what each of them is told. Not here: what is done (the
caller), the order of writers of different processes (`turnstile`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST = 64  # pieces of work in one transaction

W = TypeVar("W")
T = TypeVar("T")
C = TypeVar("C")


def one_by_one(do: Callable[[W], T], pieces: Sequence[W]) -> list[T | Exception]:
    """The outcome of each piece of work: its result, or the error that it ended with.

    Examples
    --------
    >>> one_by_one(int, ["7", "seven"])
    [7, ValueError("invalid literal for int() with base 10: 'seven'")]
    """
    outcomes: list[T | Exception] = []
    for piece in pieces:
        try:
            outcomes.append(do(piece))
        except Exception as error:
            outcomes.append(error)
    return outcomes


@dataclass(eq=False)
class _Place(Generic[W, T]):
    """One thread's work, its outcome, and its turn to lead."""

    work: W
    turn: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    outcome: T | BaseException | None = None


class GroupCommit(Generic[C, W, T]):
    """Pieces of work of many threads, each whole or not at all, in as few transactions as can be.

    One thread leads: it opens the transaction, does all that waits by then together, commits, and
    tells the others. Nobody is told of success before the commit is on disk. If the commit fails,
    all of its pieces have failed.

    Parameters
    ----------
    opening : callable
        Opens a transaction, which is on disk when its block ends.
    do : callable
        Does pieces of work with what was opened: their outcomes in the same order. A piece that
        fails has its error as its outcome, and leaves nothing in the transaction.

    Examples
    --------
    >>> import sqlalchemy as sa
    >>> engine = sa.create_engine("sqlite://")
    >>> def lengths(connection, texts):
    ...     return [connection.scalar(sa.text("SELECT length(:t)"), {"t": t}) for t in texts]
    >>> GroupCommit(engine.begin, lengths).run("seven")
    5
    """

    def __init__(
        self,
        opening: Callable[[], AbstractContextManager[C]],
        do: Callable[[C, list[W]], Sequence[T | Exception]],
    ) -> None:
        self._opening, self._do = opening, do
        self._guard = threading.Lock()
        self._waiting: deque[_Place[W, T]] = deque()
        self._led = False

    def run(self, work: W) -> T:
        """The work's result, once it is on disk.

        Raises
        ------
        BaseException
            The work's error, or the transaction's.
        """
        place: _Place[W, T] = _Place(work)
        with self._guard:
            self._waiting.append(place)
            leads, self._led = not self._led, True
        if not leads:
            self._wait(place)
        if not place.ended:
            self._lead()
        if isinstance(place.outcome, BaseException):
            raise place.outcome
        return place.outcome  # type: ignore[return-value]

    def _wait(self, place: _Place[W, T]) -> None:
        """Wait for an outcome or for the lead, which goes to another if this thread is stopped."""
        try:
            place.turn.wait()
        except BaseException:
            with self._guard:
                if place in self._waiting:
                    self._waiting.remove(place)
                if place.turn.is_set() and not place.ended:
                    self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Let the next one lead, if somebody waits; inside of the guard."""
        self._led = bool(self._waiting)
        if self._waiting:
            self._waiting[0].turn.set()

    def _lead(self) -> None:
        batch: list[_Place[W, T]] = []
        try:
            with self._opening() as opened:
                batch = self._taken()  # also who came while the transaction was waited for
                outcomes = self._do(opened, [place.work for place in batch])
                for place, outcome in zip(batch, outcomes, strict=True):
                    place.outcome = outcome
        except BaseException as error:  # of all of them, or of the commit: all are undone
            batch = batch or self._taken()
            for place in batch:
                if not isinstance(place.outcome, Exception):
                    place.outcome = error
        for place in batch:
            place.ended = True
            place.turn.set()
        with self._guard:
            self._hand_on()

    def _taken(self) -> list[_Place[W, T]]:
        with self._guard:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
