"""The process of a supervisor: ``python -m synthgrid_assets.services.gateway.landing``.

Belongs here: its start. Not here: the command line for people (`cli`).
"""

from __future__ import annotations

import sys

from synthgrid_assets.services.gateway.landing.supervisor import run_supervisor
from synthgrid_assets.services.gateway.log import start_log
from synthgrid_assets.services.gateway.options import GatewayOptions

if __name__ == "__main__":
    start_log()
    run_supervisor(GatewayOptions.from_json(sys.argv[1]), int(sys.argv[2]))
