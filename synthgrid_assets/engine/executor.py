"""What runs tasks: the protocol that every executor keeps, and the executors by name.

Belongs here: the face of executors and their registry. Not here: any executor (`local`,
`inline`), and how many tasks are in one's hands at once (`window`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Order, Task
from synthgrid_assets.errors import EngineError


@dataclass(frozen=True)
class ExecutorFigures:
    """An executor's figures so far.

    Parameters
    ----------
    workers_spawned : int
        Workers started, replacements included.
    busy_seconds : float
        Time that workers spent in tasks they answered.
    resident : int
        Bytes that the largest worker held after its last task; 0 where nobody knows.
    """

    workers_spawned: int = 0
    busy_seconds: float = 0.0
    resident: int = 0


class Executor(Protocol):
    """Runs tasks for one event loop; every method is called on that loop.

    `synthgrid_assets.testing.executor_tests` has the tests that each executor passes.
    """

    @property
    def usable(self) -> bool:
        """Whether orders are taken: False once closed or broken."""
        ...

    async def start(self) -> None:
        """Make ready; an `EngineError` says what was missing."""

    def submit(self, task: Task) -> Order:
        """Take a task, those of higher priority first.

        The order's ``reply`` becomes the task's `Reply`, or the error that it raised, or a
        `WorkerDiedError` or `TaskTimeoutError` of this task alone.
        """
        ...

    async def withdraw(self, order: Order) -> None:
        """Give up on an order; nothing of it runs when this returns."""

    async def close(self) -> None:
        """End every worker; orders still open fail."""

    def figures(self) -> ExecutorFigures:
        """The figures at this moment, also after the end."""
        ...


ExecutorFactory = Callable[[Settings, Sequence[str], str], Executor]
"""``factory(settings, preload, address)``: what is loaded first, and what follows ``name://``.

Each name of `preload` is loaded by `loading.load`; the address may be empty.
"""

EXECUTORS: dict[str, str] = {
    "local": "synthgrid_assets.engine.local.pool:WorkerPool",
    "inline": "synthgrid_assets.engine.inline:InlineExecutor",
}
"""Name to ``module:factory``; the module is imported when the executor is asked for."""


def executor_factory(url: str) -> Callable[[Settings, Sequence[str]], Executor]:
    """What makes the executor that a name or an address stands for.

    Parameters
    ----------
    url : str
        A name in `EXECUTORS`, or ``name://address``.

    Raises
    ------
    EngineError
        For a name that nobody registered.

    Examples
    --------
    >>> executor_factory("inline")(Settings(workers=1), ()).usable
    True
    """
    name, _, address = url.partition("://")
    if name not in EXECUTORS:
        raise EngineError(
            f"executor {url!r} is not known; give one of {', '.join(sorted(EXECUTORS))}"
        )
    module, _, attribute = EXECUTORS[name].partition(":")
    factory: ExecutorFactory = getattr(import_module(module), attribute)
    return lambda settings, preload: factory(settings, preload, address)
