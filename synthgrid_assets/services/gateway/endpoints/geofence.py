"""``POST /v1/geofence``: which zones hold these points, at once or, under load, later.

Belongs here: the question and the answer's form. Not here: zones and tiers (`geofence`).

With a radius in metres the zones within it are told too, each with its geodesic distance.

The answer names its tier: ``exact``; ``boxes``, a superset by bounding boxes; or
``deferred``: 202 and a job whose results hold the exact answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.services.gateway.endpoints.deliveries import headers_of
from synthgrid_assets.services.gateway.geofence.tiers import Tier
from synthgrid_assets.services.gateway.geofence.zone_index import Matches, ZoneIndex
from synthgrid_assets.services.gateway.inbox.deliveries import Delivery, new_id
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.receiving.upload import declared_size, receive_message
from synthgrid_assets.services.gateway.runtime import Gateway

NEARBY_POINTS = 1000  # of one question with a radius: each costs distances to many edges
NEARBY_NOW = 100  # of one that is answered at once
NEARBY_ASKED = 4  # such questions at a time
LARGEST_RADIUS = 100_000.0
_FORM = 'a question is {"points": [[lon, lat], ...]} or a GeoJSON Point or MultiPoint, in degrees'


async def post_geofence(request: Request) -> Response:
    """Answer a question."""
    gateway: Gateway = request.app.state.gateway
    if gateway.batcher is None:
        raise RefusedError(404, "no zones are served here; start the gateway with --zones DIR")
    headers = headers_of(request)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise RefusedError(
            415,
            "a question is small and sent as it is, without content-encoding",
            {"accept-encoding": "identity"},
        )
    verification = gateway.clients.verification(headers, time.time())
    client = gateway.clients.of_token(headers) if verification is None else ""
    body, signer = await receive_message(
        request.receive,
        limits=gateway.options.limits,
        declared=declared_size(headers),
        verification=verification,
    )
    client = signer or client
    gateway.check_quota(client)
    with gateway.questions.one():
        return await _answered(gateway, client, body)


async def _answered(gateway: Gateway, client: str, body: bytes) -> Response:
    assert gateway.batcher is not None
    points, radius = question(body, gateway.options.limits.points)
    answer = await gateway.batcher.submit(points)
    tier = answer.tier
    if radius is not None and (
        tier != Tier.EXACT or len(points) > NEARBY_NOW or gateway.distances.asked >= NEARBY_ASKED
    ):
        tier = Tier.DEFERRED  # distances are what is spared first
    gateway.metrics.count("geofence_points_total", "Points by tier.", len(points), tier=tier)
    if answer.matches is None or tier == Tier.DEFERRED:
        with gateway.deferrals.one():
            return await _deferred(gateway, client, points, radius)
    content: dict[str, object] = {
        "tier": str(tier),
        "version": answer.index.version,
        "zones": names_of(answer.index, answer.matches, len(points)),
    }
    if radius is not None:
        content["nearby"] = await asyncio.to_thread(
            gateway.distances.nearby, answer.index, points, radius
        )
    return JSONResponse(content)


def question(body: bytes, most: int) -> tuple[NDArray[np.float64], float | None]:
    """The points of a question, shape (n, 2), and the radius in metres if it has one.

    Raises
    ------
    RefusedError
        400, if it has no points, they are not longitudes and latitudes, or the radius is no
        distance; 413, if it has too many.

    Examples
    --------
    >>> points, radius = question(b'{"type": "Point", "coordinates": [8.5, 47.4]}', most=10)
    >>> points.tolist(), radius
    ([[8.5, 47.4]], None)
    """
    try:
        content = json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise RefusedError(400, f"the body is not JSON; {_FORM}") from None
    spots, radius = _spots(content), content.get("radius")
    most = most if radius is None else min(most, NEARBY_POINTS)
    if len(spots) > most:
        raise RefusedError(413, f"a question has {most} points at most, this one {len(spots)}")
    good = [_is_position(spot) for spot in spots]
    if not all(good):
        raise RefusedError(400, f"point {good.index(False)} is no array of numbers; {_FORM}")
    try:
        found = np.array([spot[:2] for spot in spots], np.float64).reshape(-1, 2)
    except OverflowError:
        raise RefusedError(400, f"a number is larger than any degrees; {_FORM}") from None
    inside = (np.abs(found) <= (180.0, 90.0)).all(axis=1)  # false for NaN
    if not inside.all():
        at = int(np.argmin(inside))
        raise RefusedError(400, f"point {at} is no longitude and latitude; {_FORM}")
    return found, None if radius is None else _metres(radius)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError(400, f"a name stands twice in one object of the body; {_FORM}")
    return found


def _spots(content: Any) -> list[Any]:
    """The positions of either form, not yet looked at."""
    found = None
    if isinstance(content, dict):
        kind = content.get("type")
        if kind in ("Point", "MultiPoint") and "points" not in content:
            found = content.get("coordinates")
            found = [found] if kind == "Point" else found
        elif kind is None:
            found = content.get("points")
    if not isinstance(found, list):
        raise RefusedError(400, _FORM)
    return found


def _is_position(spot: object) -> bool:
    # by the types themselves: true is an int to Python, and a text a number to numpy
    return isinstance(spot, list) and len(spot) > 1 and {*map(type, spot[:2])} <= {int, float}


def _metres(radius: object) -> float:
    good = isinstance(radius, int | float) and not isinstance(radius, bool)
    if not good or not 0 <= float(radius) <= LARGEST_RADIUS:  # type: ignore[arg-type]
        raise RefusedError(400, f"radius is a distance of 0 to {LARGEST_RADIUS:g} metres")
    return float(radius)  # type: ignore[arg-type]


def names_of(index: ZoneIndex, matches: Matches, count: int) -> list[list[str]]:
    """Names of the zones of each point."""
    return [[str(index.names[zone]) for zone in matches.of(k)] for k in range(count)]


async def _deferred(
    gateway: Gateway, client: str, points: NDArray[np.float64], radius: float | None
) -> Response:
    gateway.check_queue()
    data = json.dumps({"points": points.tolist(), "radius": radius}).encode()
    job_id = new_id()
    assert gateway.group is not None
    await gateway.group.put(
        Delivery(
            id=job_id,
            key=f"{client}|geofence|once|{job_id}",
            kind="geofence",
            collection="",
            client=client,
            content_type="application/json",
            encoding="",
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            data=data,
            path="",
            correlation=job_id,
            callback="",
            received=time.time(),
        )
    )
    location = f"/jobs/{job_id}"
    content = {"tier": "deferred", "jobID": job_id, "results": f"{location}/results"}
    return JSONResponse(content, 202, {"location": location, "retry-after": "1"})
