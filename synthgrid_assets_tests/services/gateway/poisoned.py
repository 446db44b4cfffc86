"""A supervisor whose workers are ended by some features, for the tests of real processes.

A feature with the property ``poison`` hangs, takes memory without end, or crashes its worker.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from synthgrid_assets.services.gateway.landing.geometries import GeometryLanding
from synthgrid_assets.services.gateway.landing.processes.supervisor import run_supervisor
from synthgrid_assets.services.gateway.log import start_log
from synthgrid_assets.services.gateway.options import GatewayOptions

_add = GeometryLanding._add


def _poisoned(self: GeometryLanding, delivery: Any, batch: Any, landed: Any) -> None:
    for text in batch.properties.to_pylist():
        poison = json.loads(text or "{}").get("poison")
        if poison == "hang":
            time.sleep(3600)
        elif poison == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(8 << 20))
        elif poison == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
    _add(self, delivery, batch, landed)


if __name__ == "__main__":
    GeometryLanding._add = _poisoned  # type: ignore[method-assign]
    start_log()
    run_supervisor(GatewayOptions.from_json(sys.argv[1]), int(sys.argv[2]))
