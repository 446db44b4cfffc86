"""Fixes as GeoJSON: points whose properties name a device and a time.

Belongs here: collections and text sequences of points. Not here: reading GeoJSON (`geojson`).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import shapely

from synthgrid_assets.errors import CrsAfterFeaturesError, FeatureError
from synthgrid_assets.services.gateway.geojson import FeatureBatch, FeatureReader
from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.geojson.reference_systems import CRS84
from synthgrid_assets.services.gateway.telemetry.decoded import Decoded, Gathering
from synthgrid_assets.services.gateway.telemetry.fixes import Fix
from synthgrid_assets.services.gateway.telemetry.owntracks import number

_DEVICE = ("device", "device_id", "deviceId")
_TIME = ("time", "timestamp", "datetime")
_FIGURES = {"accuracy": "accuracy", "altitude": "altitude", "speed": "speed", "course": "course"}


def decode_features(body: bytes, sequence: bool, device: str = "") -> Decoded:
    """Decode points; never raises.

    The device is the property `device` (or `device_id`, `deviceId`), else the feature's id,
    else `device`. The time is the property `time` (or `timestamp`, `datetime`): seconds since
    1970, or an RFC 3339 text with its offset. `accuracy`, `altitude`, `speed` (m/s) and
    `course` are taken as they are; other properties become attributes.

    Parameters
    ----------
    body : bytes
    sequence : bool
        Whether each line is a feature.
    device : str

    Examples
    --------
    >>> text = (b'{"type":"Feature","geometry":{"type":"Point","coordinates":[8,47,500]},'
    ...         b'"properties":{"device":"a","time":"2023-11-14T22:13:20Z"}}')
    >>> found = decode_features(text, sequence=True).fixes
    >>> found.time.tolist(), found.altitude.tolist()
    ([1700000000.0], [500.0])
    """
    gathering = Gathering()
    reader = FeatureReader([body], sequence=sequence)
    try:
        for batch in reader:
            gathering.rejections.extend(batch.rejections)
            if reader.crs == CRS84:
                _points(gathering, batch, body, device)
            elif len(batch):
                detail = f"telemetry is in {CRS84}, not in {reader.crs}"
                gathering.refuse(-1, body, Reason.UNKNOWN_CRS, detail)
                break
    except CrsAfterFeaturesError as error:
        gathering = Gathering()
        gathering.refuse(-1, body, Reason.UNKNOWN_CRS, str(error))
    return gathering.done()


def _points(gathering: Gathering, batch: FeatureBatch, body: bytes, device: str) -> None:
    shapes = shapely.from_wkb(batch.geometry.to_numpy(zero_copy_only=False))
    x, y, z = shapely.get_x(shapes), shapely.get_y(shapes), shapely.get_z(shapes)
    ids, properties = batch.ids.to_pylist(), batch.properties.to_pylist()
    for row, ordinal in enumerate(batch.ordinals.tolist()):
        start = int(batch.offsets[row])
        data = body[start : start + int(batch.lengths[row])]
        if np.isnan(x[row]):
            gathering.refuse(ordinal, data, Reason.BAD_GEOMETRY, "the geometry is not a point")
            continue
        try:
            members = json.loads(properties[row] or "{}")
            fix = _fix(members, ids[row], device, (float(x[row]), float(y[row]), float(z[row])))
        except FeatureError as error:
            gathering.refuse(ordinal, data, error.reason, error.detail)
        else:
            gathering.take(fix, ordinal, data)


def _fix(
    members: dict[str, Any], identity: str | None, device: str, place: tuple[float, float, float]
) -> Fix:
    named = _pop(members, _DEVICE)
    if named is None:
        named = device if identity is None else json.loads(identity)
    time = _seconds(_pop(members, _TIME))
    figures = {field: number(members, name) for field, name in _FIGURES.items()}
    for name in _FIGURES.values():
        members.pop(name, None)
    if np.isnan(figures["altitude"]):
        figures["altitude"] = place[2]
    attributes = json.dumps(members, ensure_ascii=False, separators=(",", ":")) if members else ""
    return Fix(str(named), time, place[0], place[1], **figures, attributes=attributes)


def _pop(members: dict[str, Any], names: tuple[str, ...]) -> Any:
    found = [members.pop(name) for name in names if name in members]
    return found[0] if found else None


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise FeatureError(Reason.BAD_TIME, f"{value[:60]!r} is no RFC 3339 time") from None
        if moment.tzinfo is None:
            raise FeatureError(Reason.BAD_TIME, f"{value[:60]!r} has no offset from UTC")
        return moment.timestamp()
    if value is None:
        raise FeatureError(Reason.MEMBER_MISSING, f"no property is one of {', '.join(_TIME)}")
    return number({"time": value}, "time")
