"""The engine's log: a line of JSON for each event, with one id from the run to its workers.

Belongs here: the form of lines, and what of an engine is worth one. Not here: figures over
time and traces (`telemetry`).

Nothing is written unless ``SYNTHGRID_LOG`` names a level: debug, info, warning or error.
Lines go to standard error, also those of workers. Other code that runs in a task may log
through `logger`; its lines carry the run and the task by themselves.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from synthgrid_assets.engine.events import EngineEvent, Statistics, Step, TaskEnded
from synthgrid_assets.errors import EngineError

VARIABLE = "SYNTHGRID_LOG"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LOUDER = {"breaker": logging.WARNING, "executor": logging.WARNING}  # than a change of depth


def level() -> int | None:
    """The level that the environment asks for; None for no log.

    Raises
    ------
    EngineError
        If it is none that there is.
    """
    asked = os.environ.get(VARIABLE, "").lower()
    if not asked:
        return None
    if asked not in LEVELS:
        raise EngineError(f"{VARIABLE}={asked}: no such level; use one of {', '.join(LEVELS)}")
    return LEVELS[asked]


def start(run_id: str) -> bool:
    """Write lines for a run from now on, if the environment asks for them; whether it does.

    Calling it again in a process of several runs is harmless: the run is bound where its
    lines are written.
    """
    least = level()
    if least is None:
        return False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _finite,
            structlog.processors.JSONRenderer(serializer=_dumped),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(run=run_id, process=os.getpid())
    return True


def logger() -> Any:
    """A logger whose lines carry the run and the task, if there are any; structlog's."""
    return structlog.get_logger()


@contextlib.contextmanager
def task(key: str) -> Iterator[None]:
    """Lines written meanwhile carry the task's key; a failure is one, with its traceback."""
    if not structlog.is_configured():
        yield
        return
    with structlog.contextvars.bound_contextvars(task=key, process=os.getpid()):
        log = logger()
        log.debug("task begins")
        try:
            yield
        except BaseException as error:
            log.warning("attempt failed", error=type(error).__name__, exc_info=True)
            raise
        log.debug("task ends")


class LogObserver:
    """Writes what a session says of itself."""

    def __init__(self) -> None:
        self._log = logger()

    def on_start(self, run_id: str, read: Callable[[], Statistics]) -> None:
        """Bind the run: the session's thread has no context of its caller."""
        self._log = logger().bind(run=run_id)
        self._log.info("engine starts")

    def on_event(self, event: EngineEvent) -> None:
        """A change of depth is for whoever looks closely, the others for everybody."""
        at = _LOUDER.get(event.kind, logging.DEBUG)
        figures = dict(event.figures)
        change = f"{event.before} -> {event.after}"
        self._log.log(at, f"{event.kind} changes", change=change, cause=event.cause, **figures)

    def on_task(self, task: TaskEnded) -> None:
        """One line a task; of a failed one with its error."""
        facts = {"task": task.key, "step": task.step.name, "attempts": task.attempts}
        if task.error is None:
            seconds, commit = task.timings.seconds, task.timings.commit
            self._log.debug("task done", **facts, seconds=seconds, commit=commit)
        else:
            error = f"{type(task.error).__name__}: {task.error}"
            self._log.error("task failed", **facts, error=error)

    def on_step(self, step: Step, ended: float | None) -> None:
        """Begin and end."""
        if ended is None:
            self._log.info("step begins", step=step.name)
        else:
            self._log.info("step ends", step=step.name, seconds=ended - step.began)

    def on_lag(self, seconds: float, culprit: str) -> None:
        """The event loop was kept from its work."""
        self._log.warning("event loop late", seconds=seconds, culprit=culprit)

    def on_close(self, statistics: Statistics) -> None:
        """The last figures."""
        self._log.info("engine ends", **vars(statistics))


def _finite(_: Any, __: str, line: Any) -> Any:
    """NaN and infinities are no JSON: null."""
    for name, value in line.items():
        if isinstance(value, float) and not math.isfinite(value):
            line[name] = None
    return line


def _dumped(line: Any, **options: Any) -> str:
    return json.dumps(line, allow_nan=False, **options)
