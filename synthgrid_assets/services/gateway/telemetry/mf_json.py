"""Fixes as OGC Moving Features JSON.

Belongs here: MF-JSON Prism, written. Not here: reading it, or any other way out.

References
----------
OGC 19-045r3, Moving Features Encoding Extension - JSON.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.telemetry.fixes import Fixes

_CRS = {"type": "Name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
_TRS = {
    "type": "Link",
    "properties": {
        "type": "OGCDEF",
        "href": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
    },
}
_UNITS = {"speed": "MTS", "course": "DD", "accuracy": "MTR"}  # UN/CEFACT common codes


def moving_features(fixes: Fixes) -> bytes:
    """One feature a device, with its positions in the order of event time.

    Of fixes at one instant the last one is kept, for times must increase. Positions have a
    third ordinate only where all of a device's fixes have an altitude. A figure's series holds
    the instants at which it was sent.

    Parameters
    ----------
    fixes : Fixes

    Returns
    -------
    bytes
        A UTF-8 JSON text: a FeatureCollection of features with `temporalGeometry` and
        `temporalProperties`.

    Examples
    --------
    >>> from synthgrid_assets.services.gateway.telemetry.fixes import Fix
    >>> text = moving_features(Fixes.of([Fix("a", 1.5, 8, 47), Fix("a", 0.0, 7, 47)]))
    >>> json.loads(text)["features"][0]["temporalGeometry"]["datetimes"]
    ['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:01.500Z']
    """
    features = []
    for device in sorted(set(fixes.device.tolist())):
        own = fixes.take(np.flatnonzero(fixes.device == device))
        order = np.lexsort([np.arange(len(own)), own.time])
        own = own.take(order)
        last = np.append(np.diff(own.time) > 0, True)
        features.append(_feature(device, own.take(np.flatnonzero(last))))
    collection = {"type": "FeatureCollection", "crs": _CRS, "trs": _TRS, "features": features}
    return json.dumps(collection, ensure_ascii=False, separators=(",", ":")).encode()


def _feature(device: str, own: Fixes) -> dict[str, Any]:
    places = own.xy
    if not np.isnan(own.altitude).any():
        places = np.column_stack([places, own.altitude])
    times = _texts(own.time)
    figures = [_figure(name, unit, getattr(own, name), times) for name, unit in _UNITS.items()]
    return {
        "type": "Feature",
        "id": device,
        "temporalGeometry": {
            "type": "MovingPoint",
            "datetimes": times,
            "coordinates": places.tolist(),
            "interpolation": "Linear",
        },
        "temporalProperties": [figure for figure in figures if figure],
        "properties": {"device": device},
        "time": [times[0], times[-1]],
    }


def _figure(name: str, unit: str, values: NDArray[np.float64], times: list[str]) -> dict[str, Any]:
    sent = np.flatnonzero(~np.isnan(values)).tolist()
    if not sent:
        return {}
    series = {
        "type": "Measure",
        "form": unit,
        "values": [float(values[k]) for k in sent],
        "interpolation": "Linear",
    }
    return {"datetimes": [times[k] for k in sent], name: series}


def _texts(seconds: NDArray[np.float64]) -> list[str]:
    moments = (datetime.fromtimestamp(one, UTC) for one in seconds.tolist())
    return [f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z" for moment in moments]
