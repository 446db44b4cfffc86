"""The pool of a host: one for all blocks of a run in this process, and a while after the last.

Belongs here: its lifetime. Not here: what it runs (`block`), what a pool is (`engine`).
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from synthgrid_assets.engine.local.standby import stand_by
from synthgrid_assets.engine.observers import observers_asked_for
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import TASKS_HELD_PER_WORKER, Settings, usable_cores
from synthgrid_assets.materialize.preload import PRELOAD

LINGER = 20.0  # seconds that a pool waits for the next block


class _Host:
    """The pools of this process, by what they were opened for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[Settings, str], EngineSession] = {}
        self._users: dict[tuple[Settings, str], int] = {}
        self._stands_by = False

    def stand_by(self) -> None:
        self._stands_by = True
        stand_by(PRELOAD)

    @contextlib.contextmanager
    def session(self, settings: Settings, run: str) -> Iterator[EngineSession]:
        which = (settings, run)
        with self._lock:
            if which not in self._sessions:
                session = EngineSession(settings, PRELOAD, "local", observers_asked_for(run), run)
                self._sessions[which] = session.__enter__()
            self._users[which] = self._users.get(which, 0) + 1
        try:
            yield self._sessions[which]
        finally:
            with self._lock:
                self._users[which] -= 1
            timer = threading.Timer(LINGER, self.close_unused)
            timer.daemon = True
            timer.start()

    def end(self) -> None:
        """End the pools with this process."""
        self._stands_by = False
        self.close_unused()

    def close_unused(self) -> None:
        """End the pools that no block uses now."""
        with self._lock:
            unused = [which for which, users in self._users.items() if not users]
            sessions = [self._sessions.pop(which) for which in unused]
            for which in unused:
                del self._users[which]
        for session in sessions:
            session.__exit__(None, None, None)
        if sessions and self._stands_by:
            stand_by(PRELOAD)


_HOST = _Host()
atexit.register(_HOST.end)


def stand_by_for_runs() -> None:
    """Have what a pool needs loaded before the first block comes, and again between runs."""
    _HOST.stand_by()


@contextlib.contextmanager
def host_session(settings: Settings, run: str, *, all_cores: bool) -> Iterator[EngineSession]:
    """The pool of this process for a run, started when its first block comes.

    Parameters
    ----------
    settings : Settings
        As the run's host has them; the cores that count are this host's.
    run : str
    all_cores : bool
        Whether there is a worker for each core, or as many as the settings say.
    """
    if all_cores:
        cores = usable_cores()
        settings = replace(settings, workers=cores, window=TASKS_HELD_PER_WORKER * cores)
    with _HOST.session(replace(settings, shares_host=True), run) as session:
        yield session
