"""Questions of one turn of the event loop, answered together.

Belongs here: gathering, slicing and handing out answers; the only asyncio below the endpoints.
Not here: HTTP, and what becomes of deferred questions.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geofence.tiers import Tier, TierController
from synthgrid_assets.services.gateway.geofence.zone_index import Matches, ZoneIndex
from synthgrid_assets.services.gateway.geofence.zone_store import ZoneStore

_SLICE = 2048  # points that are answered without a look at the loop in between


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Parameters
    ----------
    tier : Tier
    index : ZoneIndex
        The version that answered, or was current.
    matches : Matches or None
        None when it was deferred.
    """

    tier: Tier
    index: ZoneIndex
    matches: Matches | None


@dataclass(frozen=True)
class _Question:
    index: ZoneIndex
    lonlat: NDArray[np.float64]
    future: asyncio.Future[tuple[Tier, Matches | None]]


class MicroBatcher:
    """Answers all questions of a loop turn in one go.

    Parameters
    ----------
    store : ZoneStore
    tiers : TierController
        Told how long exact batches take, and how full this queue is.
    capacity : int
        Points that may wait; beyond, questions are deferred.

    Examples
    --------
    The answer names its tier and its version::

        answer = await batcher.submit(np.array([[7.5, 47.5]]))
        [answer.index.names[zone] for zone in answer.matches.of(0)]
    """

    def __init__(self, store: ZoneStore, tiers: TierController, *, capacity: int = 200_000) -> None:
        self._store = store
        self._tiers = tiers
        self._capacity = capacity
        self._waiting: list[_Question] = []
        self._points = 0

    async def submit(self, lonlat: NDArray[np.float64]) -> Answer:
        """Ask for the zones of points.

        Parameters
        ----------
        lonlat : ndarray of float64, shape (n, 2)
            Longitudes and latitudes; transformed to the zones' reference system.

        Returns
        -------
        Answer
            Its tier is the least exact one of its slices.
        """
        index = self._store.current()
        slices = [lonlat[k : k + _SLICE] for k in range(0, max(len(lonlat), 1), _SLICE)]
        parts: list[Matches] = []
        tier = Tier.EXACT
        for part in slices:
            found, matches = await self._ask(index, part)
            if matches is None:
                return Answer(Tier.DEFERRED, index, None)
            parts.append(matches)
            tier = Tier.BOXES if Tier.BOXES in (tier, found) else Tier.EXACT
        return Answer(tier, index, _joined(parts))

    def _ask(
        self, index: ZoneIndex, lonlat: NDArray[np.float64]
    ) -> asyncio.Future[tuple[Tier, Matches | None]]:
        loop = asyncio.get_running_loop()
        question = _Question(index, lonlat, loop.create_future())
        self._waiting.append(question)
        self._points += len(lonlat)
        self._tiers.observe_fill(self._points / self._capacity, "questions")
        if len(self._waiting) == 1:
            # requests that are read in this turn, and callbacks they wake, still get in
            loop.call_soon(loop.call_soon, self._flush)
        return question.future

    def _flush(self) -> None:
        waiting, self._waiting, self._points = self._waiting, [], 0
        for index in {id(question.index): question.index for question in waiting}.values():
            own = [question for question in waiting if question.index is index]
            start = 0
            while start < len(own):  # batches of about a slice
                stop, points = start, 0
                while stop < len(own) and (points == 0 or points + len(own[stop].lonlat) <= _SLICE):
                    points += len(own[stop].lonlat)
                    stop += 1
                self._answer(index, own[start:stop], points)
                start = stop
        self._tiers.observe_fill(self._points / self._capacity, "questions")

    def _answer(self, index: ZoneIndex, questions: list[_Question], points: int) -> None:
        tier = self._tiers.decide(points)
        began = time.perf_counter()
        matches: Matches | None = None
        try:
            if tier != Tier.DEFERRED:
                xy = self._store.in_plane(index, np.concatenate([q.lonlat for q in questions]))
                matches = (index.query if tier == Tier.EXACT else index.query_boxes)(xy)
        except Exception as error:  # each asker gets it; the loop must go on
            for question in questions:
                if not question.future.done():
                    question.future.set_exception(error)
            return
        if tier == Tier.EXACT:
            self._tiers.observe_exact(time.perf_counter() - began)
        first = 0
        for question in questions:
            last = first + len(question.lonlat)
            if not question.future.done():  # its asker may have gone
                own = None if matches is None else matches.between(first, last)
                question.future.set_result((tier, own))
            first = last


def _joined(parts: list[Matches]) -> Matches:
    if len(parts) == 1:
        return parts[0]
    starts = [np.zeros(1, np.int64)]
    for part in parts:
        starts.append(part.starts[1:] + starts[-1][-1])
    return Matches(np.concatenate(starts), np.concatenate([part.zones for part in parts]))
