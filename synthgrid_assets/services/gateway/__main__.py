"""The process of a gateway: ``python -m synthgrid_assets.services.gateway``.

Belongs here: its start, with nothing loaded that receiving does without. Not here: the command
line for people (`cli`), which starts it.
"""

from __future__ import annotations

import os
import sys

from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.services.gateway.options import OPTIONS_VARIABLE, GatewayOptions
from synthgrid_assets.services.gateway.serve import serve

if __name__ == "__main__":
    try:
        serve(GatewayOptions.from_json(os.environ[OPTIONS_VARIABLE]))
    except SynthGridError as error:
        sys.exit(f"error: {error}")
