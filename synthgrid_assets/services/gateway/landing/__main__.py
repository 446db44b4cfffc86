"""The process of a supervisor: ``python -m synthgrid_assets.services.gateway.landing``.

Belongs here: its start. Not here: the command line for people (`cli`).
"""

from __future__ import annotations

import os
from contextlib import suppress

from synthgrid_assets.services.gateway.landing.processes.supervisor import run_supervisor
from synthgrid_assets.services.gateway.log import start_log
from synthgrid_assets.services.gateway.options import (
    OPTIONS_VARIABLE,
    PARENT_VARIABLE,
    READY_VARIABLE,
    GatewayOptions,
)

_NICENESS = 5


def _tell_ready() -> None:
    """Tell who started this process, once."""
    descriptor = int(os.environ[READY_VARIABLE])
    with suppress(OSError):  # it may have gone
        os.write(descriptor, b"1")
    os.close(descriptor)


if __name__ == "__main__":
    start_log()
    options = GatewayOptions.from_json(os.environ[OPTIONS_VARIABLE])
    parent = int(os.environ[PARENT_VARIABLE])
    if parent:  # a gateway runs on the same processors: who waits for an answer goes first
        os.nice(_NICENESS)
    run_supervisor(options, parent, _tell_ready)
