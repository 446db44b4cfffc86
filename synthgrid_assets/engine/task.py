"""What crosses the engine's borders: tasks and outcomes.

Belongs here: the records. Not here: who runs a task (`executor`), how many at once
(`window`), or what a task computes (the caller's function).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synthgrid_assets.engine.stages import Timings


@dataclass(frozen=True)
class Task:
    """One call to make in a worker process.

    Parameters
    ----------
    key : str
        Names the task in outcomes and messages, as ``+00384_24|-00024_24``.
    function : callable
        Importable by name: workers never import the caller's ``__main__``.
    arguments : tuple
        Positional arguments; they and the result travel pickled, so keep them small.
    priority : float
        Higher starts first among the tasks that wait for a worker.
    predicted_bytes : int
        Memory the call is expected to need beyond the worker's own; 0 if unknown.
        A prediction above `Settings.memory_cap` is refused before it runs.

    Examples
    --------
    >>> import math
    >>> Task("tile", math.hypot, (3.0, 4.0)).priority
    0.0
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    priority: float = 0.0
    predicted_bytes: int = 0


@dataclass(frozen=True)
class Reply:
    """What a worker sent back: the result, its notes and the worker's pid."""

    result: Any
    timings: Timings
    worker_pid: int


@dataclass(frozen=True)
class Done:
    """A task that returned.

    Parameters
    ----------
    key : str
        The task's.
    result : object
        What the function returned.
    timings : Timings
        Of the attempt that succeeded.
    worker_pid : int
        The process that ran it.
    attempts : int
        1 when it succeeded at once.
    """

    key: str
    result: Any
    timings: Timings
    worker_pid: int
    attempts: int

    @property
    def seconds(self) -> float:
        """Time in the function."""
        return self.timings.seconds


@dataclass(frozen=True)
class Failed:
    """A task that raised, died or ran late for the last time.

    Parameters
    ----------
    key : str
        The task's.
    error : Exception
        The last attempt's; the worker's traceback is in its notes.
    attempts : int
        Attempts made; 0 when the task was refused before it ran.
    """

    key: str
    error: Exception
    attempts: int


Outcome = Done | Failed


@dataclass(eq=False)
class Order:
    """A task in the hands of an executor: its reply, and whether a worker has begun it."""

    task: Task
    reply: asyncio.Future[Reply]
    running: bool = False
