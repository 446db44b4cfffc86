"""``/v1/telemetry``: positions in, as OwnTracks, GeoJSON or Arrow; moving features out.

Belongs here: what is answered. Not here: formats (`telemetry`) and landing.

OwnTracks' apps put a refused message back at the head of their queue, or drop it: all that is
durable, hopeless or empty is answered with 200 and an empty array, and what cannot be read
becomes a dead letter. Only overload is 503. Equal messages are one: the apps repeat them.
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.services.gateway.endpoints.deliveries import (
    Expected,
    deliver,
    headers_of,
)
from synthgrid_assets.services.gateway.endpoints.items import GEOJSON
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.runtime import Gateway

_OWNTRACKS = frozenset({"application/json", ""})
_ARROW = "application/vnd.apache.arrow.stream"
TYPES = GEOJSON | _OWNTRACKS | {_ARROW}
_REPLY = b"[]"  # no commands, no friends: what OwnTracks' apps expect
MOST_DAYS = 31  # of one track
MOST_VISITS = 1000  # events of one answer
_NAME = re.compile(r"[\x20-\x7e\xa0-\xff]{1,100}")


async def post_telemetry(request: Request) -> Response:
    """Take in positions."""
    gateway: Gateway = request.app.state.gateway
    headers = headers_of(request)
    media = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media in _OWNTRACKS and headers.get(b"content-length") == b"0":
        return _owntracks_reply()  # a friend was deleted; there is nothing to keep
    expected = Expected(
        "telemetry",
        "",
        TYPES,
        by_content=True,
        most=gateway.options.limits.message,
        device=_device(headers),
    )
    accepted = await deliver(gateway, request, expected)
    if media in _OWNTRACKS:
        return _owntracks_reply()
    location = f"/jobs/{accepted.id}"
    content = {
        "jobID": accepted.id,
        "status": "accepted",
        "duplicate": accepted.novelty == "duplicate",
    }
    return JSONResponse(content, 202, {"location": location})


async def get_telemetry(request: Request) -> Response:
    """The track of a device as MF-JSON, of the sender's own devices."""
    gateway: Gateway = request.app.state.gateway
    client = gateway.clients.of_request(headers_of(request), time.time())
    gateway.check_quota(client)
    device = request.query_params.get("device", "")
    if not device:
        raise RefusedError(400, "name a device: ?device=USER/DEVICE&from=...&to=...")
    now = datetime.now(UTC)
    start = _time(request, "from", now.timestamp() - 86_400.0)
    end = _time(request, "to", now.timestamp())
    if not 0 <= end - start <= MOST_DAYS * 86_400.0:
        raise RefusedError(400, f"`from` must lie before `to`, by {MOST_DAYS} days at most")
    track = await asyncio.to_thread(_track, gateway, client, device, start, end)
    if not track:
        raise RefusedError(404, "there are no fixes of that device in that time")
    return Response(track, headers={"content-type": "application/geo+json"})


def _track(gateway: Gateway, client: str, device: str, start: float, end: float) -> bytes:
    # Arrow is loaded by the first who asks: receiving does without
    from synthgrid_assets.services.gateway.landing.tracks import read_track
    from synthgrid_assets.services.gateway.telemetry import moving_features

    fixes = read_track(gateway.store, client, device, start, end)
    return moving_features(fixes) if len(fixes) else b""


async def get_visits(request: Request) -> Response:
    """Events between a client's devices and zones, after the last one that it has seen."""
    gateway: Gateway = request.app.state.gateway
    client = gateway.clients.of_request(headers_of(request), time.time())
    gateway.check_quota(client)
    after = request.query_params.get("after", "0")
    if not re.fullmatch(r"\d{1,18}", after):
        raise RefusedError(400, "`after` is the sequence number of the last event seen")
    from synthgrid_assets.services.gateway.landing.visits import visits_after

    found = await asyncio.to_thread(visits_after, gateway.database, client, int(after), MOST_VISITS)
    content = {"events": found, "after": found[-1]["sequence"] if found else int(after)}
    return JSONResponse(content)


def _owntracks_reply() -> Response:
    return Response(_REPLY, headers={"content-type": "application/json"})


def _device(headers: dict[bytes, bytes]) -> str:
    """``user/device``, as OwnTracks' apps say it beside the body."""
    names = []
    for header in (b"x-limit-u", b"x-limit-d"):
        text = headers.get(header, b"").decode("latin-1").strip()
        if text and not _NAME.fullmatch(text):
            raise RefusedError(400, f"{header.decode()} must be a name of 1 to 100 characters")
        names.append(text)
    return "/".join(names) if all(names) else ""


def _time(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(400, f"{name} is not a time such as 2026-11-28T12:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
