"""The log: one line of JSON an event, with the correlation id of what it is about.

Belongs here: the form of lines. Not here: what is worth one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("synthgrid.gateway")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower()}
        line["event"] = record.getMessage()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_log(level: int = logging.INFO) -> None:
    """Write lines to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    for logger in (LOGGER, logging.getLogger("uvicorn.error")):
        logger.handlers[:] = [handler]
        logger.propagate = False
    LOGGER.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No lines as long as the block lasts: of work that is nobody's."""
    before, LOGGER.disabled = LOGGER.disabled, True
    try:
        yield
    finally:
        LOGGER.disabled = before


def tell(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """One line.

    Parameters
    ----------
    event : str
        What happened, in fixed words.
    level : int
        Of `logging`.
    **fields
        Facts; never a secret, a token or a body.
    """
    LOGGER.log(level, event, extra={"fields": fields})
