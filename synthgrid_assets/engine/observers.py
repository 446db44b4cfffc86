"""Who watches an engine, as the environment asks for it.

Belongs here: the choice. Not here: what an observer does (`log`, `telemetry`).
"""

from __future__ import annotations

import os
import warnings

from synthgrid_assets.engine import log
from synthgrid_assets.engine.events import Observer
from synthgrid_assets.errors import SynthGridWarning

ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def observers_asked_for(run_id: str) -> list[Observer]:
    """A log where ``SYNTHGRID_LOG`` names a level, telemetry where an OTLP endpoint is set.

    Parameters
    ----------
    run_id : str
        Bound to the lines of this process's log.

    Warns
    -----
    SynthGridWarning
        If an endpoint is set and the extra ``telemetry`` is not installed.
    """
    found: list[Observer] = []
    if log.start(run_id):
        found.append(log.LogObserver())
    if any(os.environ.get(name) for name in ENDPOINTS):
        try:
            from synthgrid_assets.engine.telemetry import Telemetry
        except ImportError as error:
            warnings.warn(
                f"an OTLP endpoint is set, but {error.name} is missing: "
                "pip install 'synthgrid_assets[telemetry]'",
                SynthGridWarning,
                stacklevel=2,
            )
        else:
            found.append(Telemetry())
    return found
