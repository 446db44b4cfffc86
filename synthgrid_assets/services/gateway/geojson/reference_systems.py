"""Reference systems of GeoJSON: RFC 7946's one, and the old-style `crs` member.

Belongs here: what a `crs` member names, and where coordinates in it may lie. Not here:
transformations (`synthgrid_assets.services.gateway.geometry`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.geometry_rules import Box
from synthgrid_assets.services.gateway.geojson.reasons import Reason

CRS84 = "OGC:CRS84"
_WORLD: Box = (-180.0, -90.0, 180.0, 90.0)
_ANYWHERE: Box = (-math.inf, -math.inf, math.inf, math.inf)
_LONGEST_NAME = 256


def named_crs(member: Any) -> str:
    """The reference system that a `crs` member names.

    Coordinates of GeoJSON are in the order east, north whatever the register says about a
    system's axes, so "EPSG:4326" is `CRS84`.

    Parameters
    ----------
    member : JSON value
        The member's value, by the GeoJSON specification of 2008.

    Raises
    ------
    FeatureError
        `Reason.UNKNOWN_CRS` for null (the sender states that it is unknown), a linked system
        (nothing is fetched), and names that PROJ does not know.

    Examples
    --------
    >>> named_crs({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}})
    'EPSG:25832'
    """
    name = None
    if isinstance(member, dict) and member.get("type") == "name":
        properties = member.get("properties")
        name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        detail = f"`crs` is {repr(member)[:80]}; name a system, or leave it out for {CRS84}"
        raise FeatureError(Reason.UNKNOWN_CRS, detail)
    return resolved(name)


@lru_cache(maxsize=256)
def resolved(name: str) -> str:
    """A system's shortest name ("EPSG:25832"); `CRS84` for WGS 84's longitude and latitude.

    Raises
    ------
    FeatureError
        When PROJ does not know it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(name)
    except CRSError:
        detail = f"PROJ knows no reference system {name[:80]!r}"
        raise FeatureError(Reason.UNKNOWN_CRS, detail) from None
    authority = crs.to_authority(min_confidence=100)
    found = ":".join(authority) if authority else name
    return CRS84 if found in ("EPSG:4326", "OGC:CRS84") else found


@lru_cache(maxsize=256)
def allowed_box(name: str) -> Box:
    """West, south, east, north of coordinates in a system: the globe, or anywhere.

    Where a projected system is of use is asked when coordinates are transformed.

    Examples
    --------
    >>> allowed_box("OGC:CRS84")
    (-180.0, -90.0, 180.0, 90.0)
    """
    if name == CRS84:
        return _WORLD
    from pyproj import CRS

    crs = CRS.from_user_input(name)
    in_degrees = crs.is_geographic and all(axis.unit_name == "degree" for axis in crs.axis_info)
    return _WORLD if in_degrees else _ANYWHERE
