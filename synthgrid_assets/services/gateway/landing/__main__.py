"""The process of a supervisor: ``python -m synthgrid_assets.services.gateway.landing``.

Belongs here: its start. Not here: the command line for people (`cli`).
"""

from __future__ import annotations

import os

from synthgrid_assets.services.gateway.landing.processes.supervisor import run_supervisor
from synthgrid_assets.services.gateway.log import start_log
from synthgrid_assets.services.gateway.options import (
    OPTIONS_VARIABLE,
    PARENT_VARIABLE,
    GatewayOptions,
)

if __name__ == "__main__":
    start_log()
    options = GatewayOptions.from_json(os.environ[OPTIONS_VARIABLE])
    run_supervisor(options, int(os.environ[PARENT_VARIABLE]))
