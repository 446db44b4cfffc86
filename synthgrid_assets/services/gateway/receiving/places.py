"""Places: how many requests of a kind are in hand at once, and how those beyond are sent away.

Belongs here: counting, and the wait before a refusal. Not here: which requests need a place
(`endpoints`), and how often one client may come (`quotas`).

A client that comes back at once after each refusal would take the event loop for refusals
alone: accepted questions of forty such connections took 90 ms instead of 2. So a refusal is
held for a moment that costs nothing here, and every client waits at least that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

from synthgrid_assets.services.gateway.receiving.refusals import busy


class Places:
    """A bounded number of requests at once.

    Parameters
    ----------
    most : int
        Places.
    what : str
        What takes them, for the refusal: "bodies are being received".

    Attributes
    ----------
    taken : int

    Examples
    --------
    >>> places = Places(1, "questions are being answered")
    >>> with places.one():
    ...     places.taken
    1
    """

    def __init__(self, most: int, what: str) -> None:
        self.taken = 0
        self._most = most
        self._what = what

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A place, as long as the block lasts.

        Raises
        ------
        RefusedError
            503, if all are taken.
        """
        if self.taken >= self._most:
            raise busy(f"{self.taken} {self._what}; come back soon", 1.0)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Hold:
    """The wait before a refusal for load.

    Parameters
    ----------
    seconds : float
        Its mean; half of it is drawn, so that those held don't come back together.
    most : int
        Refusals held at once; further ones are answered at once, so that memory is bounded.
    """

    def __init__(self, seconds: float = 0.2, most: int = 1000) -> None:
        self._seconds = seconds
        self._most = most
        self._held = 0

    async def wait(self) -> None:
        """Return a moment later."""
        if self._held >= self._most:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))
        finally:
            self._held -= 1
