"""Group commit: many requests share one synced transaction, and none waits for a timer.

Belongs here: the one thread that writes deliveries, and its futures. Not here: the
transaction itself (`intake`).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from synthgrid_assets.errors import StorageError
from synthgrid_assets.services.gateway.inbox.deliveries import Accepted, Delivery
from synthgrid_assets.services.gateway.inbox.intake import Intake

_MOST = 256  # deliveries of one transaction
_BYTES = 8 << 20  # and bytes of their bodies


class _Asked(NamedTuple):
    delivery: Delivery
    future: asyncio.Future[Accepted]
    loop: asyncio.AbstractEventLoop


class GroupCommit:
    """Takes deliveries from any number of tasks, writes all that wait in one transaction.

    While one group is synced the next one gathers, so groups grow with the load by
    themselves.

    Parameters
    ----------
    intake : Intake
        Where to put them.
    told : callable, optional
        Called with the size of each group.
    """

    def __init__(self, intake: Intake, told: Callable[[int], None] = lambda size: None) -> None:
        self._intake = intake
        self._told = told
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="group-commit", daemon=True)
        self._thread.start()

    async def put(self, delivery: Delivery) -> Accepted:
        """What the inbox says of a delivery, once it is on disk.

        A task that is cancelled meanwhile does not take its delivery back.

        Raises
        ------
        StorageError
            If the group could not be written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Accepted] = loop.create_future()
        self._waiting.put(_Asked(delivery, future, loop))
        return await future

    @property
    def waiting(self) -> int:
        """Deliveries that are not yet in a transaction."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        closing = False
        while not closing:
            group: list[_Asked] = []
            size = 0
            asked = self._waiting.get()
            while asked is not None:
                group.append(asked)
                size += len(asked.delivery.data or b"")
                if len(group) == _MOST or size > _BYTES:
                    break
                try:
                    asked = self._waiting.get_nowait()
                except queue.Empty:
                    break
            else:
                closing = True
            if group:
                self._commit(group)

    def _commit(self, group: list[_Asked]) -> None:
        self._told(len(group))
        try:
            answers = self._intake.put([asked.delivery for asked in group])
        except StorageError as error:
            for asked in group:
                _call(asked, _fail, error)
            return
        except Exception as error:  # the thread must live: all requests depend on it
            unexpected = StorageError(f"the inbox failed on a group: {error!r}")
            for asked in group:
                _call(asked, _fail, unexpected)
            return
        for asked, answer in zip(group, answers, strict=True):
            _call(asked, _succeed, answer)


def _call(asked: _Asked, function: Callable[..., None], value: object) -> None:
    if not asked.loop.is_closed():
        asked.loop.call_soon_threadsafe(function, asked.future, value)


def _succeed(future: asyncio.Future[Accepted], answer: Accepted) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: asyncio.Future[Accepted], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
