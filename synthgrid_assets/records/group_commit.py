"""Group commit: what several threads wait to write goes to disk with one commit.

Belongs here: who leads, who waits, and what each of them is told. Not here: what is written (the
caller), the order of writers of different processes (`turnstile`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

MOST = 64  # pieces of work in one transaction

T = TypeVar("T")
C = TypeVar("C")


@dataclass(eq=False)
class _Place(Generic[C, T]):
    """One thread's work, its outcome, and its turn to lead."""

    work: Callable[[C], T]
    turn: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    result: T | None = None
    error: BaseException | None = None


class GroupCommit(Generic[C]):
    """Pieces of work of many threads, each whole or not at all, in as few commits as can be.

    One thread leads: it opens the transaction, does all that waits by then, commits, and tells the
    others. Nobody is told of success before the commit is on disk. A piece that fails is undone
    alone; if the commit fails, all of its pieces have failed.

    Parameters
    ----------
    writing : callable
        Opens a write transaction, which is on disk when its block ends.
    nested : callable
        Of what was opened: a block inside of the transaction that is undone alone.

    Examples
    --------
    >>> import sqlalchemy as sa
    >>> engine = sa.create_engine("sqlite://")
    >>> group = GroupCommit(engine.begin, sa.Connection.begin_nested)
    >>> group.run(lambda connection: connection.execute(sa.text("SELECT 7")).scalar())
    7
    """

    def __init__(
        self,
        writing: Callable[[], AbstractContextManager[C]],
        nested: Callable[[C], AbstractContextManager[Any]],
    ) -> None:
        self._writing, self._nested = writing, nested
        self._guard = threading.Lock()
        self._waiting: deque[_Place[C, Any]] = deque()
        self._led = False

    def run(self, work: Callable[[C], T]) -> T:
        """The work's result, once it is on disk.

        Raises
        ------
        BaseException
            Whatever the work raises, which is undone then, or the transaction.
        """
        place = _Place(work)
        with self._guard:
            self._waiting.append(place)
            leads, self._led = not self._led, True
        if not leads:
            self._wait(place)
        if not place.ended:
            self._lead()
        if place.error is not None:
            raise place.error
        return place.result  # type: ignore[return-value]

    def _wait(self, place: _Place[C, Any]) -> None:
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
        batch: list[_Place[C, Any]] = []
        try:
            with self._writing() as opened:
                batch = self._taken()  # also who came while the transaction was waited for
                self._do(opened, batch)
        except BaseException as error:  # of the one piece, or of the commit: all are undone
            batch = batch or self._taken()
            for place in batch:
                place.error = place.error or error
        for place in batch:
            place.ended = True
            place.turn.set()
        with self._guard:
            self._hand_on()

    def _taken(self) -> list[_Place[C, Any]]:
        with self._guard:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]

    def _do(self, opened: C, batch: list[_Place[C, Any]]) -> None:
        """All pieces of a batch; those of several in blocks of their own."""
        if len(batch) == 1:
            batch[0].result = batch[0].work(opened)
            return
        for place in batch:
            try:
                with self._nested(opened):
                    place.result = place.work(opened)
            except Exception as error:
                place.error = error
