"""``/collections/{collection}/items``: features of any number, taken in and landed later; and
what landed, page by page.

Belongs here: the shape of OGC API Features Part 1 for GET and Part 4 for POST, with bulk and
async as the draft of Part 11 has it. Not here: what becomes of the features (`landing`).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.endpoints.deliveries import (
    Expected,
    deliver,
    headers_of,
)
from synthgrid_assets.services.gateway.landing.collections import NAMES
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.runtime import Gateway

if TYPE_CHECKING:
    from synthgrid_assets.services.gateway.landing.features import FeaturePage

GEOJSON = frozenset(
    {
        "application/geo+json",
        "application/vnd.geo+json",
        "application/json",
        "application/geo+json-seq",
        "application/json-seq",
        "application/x-ndjson",
        "application/geojsonseq",
    }
)
DEFAULT_COLLECTION = "default"
_PAGE, _LONGEST_PAGE = 1000, 10_000
_PARAMETERS = frozenset({"limit", "bbox", "datetime", "after"})
_PARAMETERS_TOLD = ", ".join(sorted(_PARAMETERS))
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_GEOJSON = "application/geo+json"
_INSTANT = re.compile(r"(\.\.|\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)|)")


async def post_items(request: Request) -> Response:
    """Take in a body of features."""
    gateway: Gateway = request.app.state.gateway
    name = request.path_params.get("collection") or request.query_params.get(
        "collection", DEFAULT_COLLECTION
    )
    if gateway.collections.find(name) is None:
        raise _unknown(gateway, name)
    accepted = await deliver(gateway, request, Expected("geometries", name, GEOJSON))
    content = {
        "jobID": accepted.id,
        "type": "process",
        "status": "accepted",
        "duplicate": accepted.novelty == "duplicate",
        "links": [
            {"href": f"/jobs/{accepted.id}", "rel": "monitor", "type": "application/json"},
            {"href": f"/jobs/{accepted.id}/results", "rel": "results", "type": "application/json"},
        ],
    }
    headers = {"location": f"/jobs/{accepted.id}", "preference-applied": "respond-async"}
    return JSONResponse(content, 202, headers)


async def get_items(request: Request) -> Response:
    """A page of what landed."""
    gateway: Gateway = request.app.state.gateway
    name = _readable(gateway, request)
    query = request.query_params
    if unknown := sorted(set(query) - _PARAMETERS):
        raise RefusedError(400, f"unknown parameter {unknown[0][:40]!r}; take {_PARAMETERS_TOLD}")
    limit, bbox = _limit(query.get("limit", str(_PAGE))), _bbox(query.get("bbox"))
    _check_datetime(query.get("datetime", ""))
    after = query.get("after", "")
    try:
        page = await asyncio.to_thread(_page, gateway, name, limit, after, bbox)
    except SpecError as error:
        raise RefusedError(400, str(error)) from error
    base = f"{_root(request)}/collections/{name}/items"
    links = [{"href": _with(base, query), "rel": "self", "type": _GEOJSON}]
    if page.after:
        more = {**query, "after": page.after}
        links.append({"href": _with(base, more), "rel": "next", "type": _GEOJSON})
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = json.dumps(
        {"type": "FeatureCollection", "timeStamp": now, "numberReturned": len(page.features)}
    )
    features = ",".join(page.features)
    body = f'{head[:-1]},"links":{json.dumps(links)},"features":[{features}]}}'
    return Response(body, headers={"content-type": _GEOJSON})


async def get_item(request: Request) -> Response:
    """One feature that landed."""
    gateway: Gateway = request.app.state.gateway
    name, feature_id = _readable(gateway, request), request.path_params["feature"]
    found = await asyncio.to_thread(_feature, gateway, name, feature_id)
    if found is None:
        raise RefusedError(404, "no feature of that id has landed in that collection")
    place = f"{_root(request)}/collections/{name}"
    links = [
        {"href": f"{place}/items/{feature_id}", "rel": "self", "type": _GEOJSON},
        {"href": place, "rel": "collection", "type": "application/json"},
    ]
    body = f'{found[:-1]},"links":{json.dumps(links)}}}'
    return Response(body, headers={"content-type": _GEOJSON})


def _unknown(gateway: Gateway, name: str) -> RefusedError:
    what = NAMES if gateway.collections.path is None else "GET /collections has those declared"
    return RefusedError(404, f"there is no collection {name[:80]!r}; {what}")


def _page(gateway: Gateway, name: str, limit: int, after: str, bbox: Any) -> FeaturePage:
    # Arrow and GEOS are loaded by the first who asks, in a thread: receiving does without
    from synthgrid_assets.services.gateway.landing.features import read_page

    return read_page(gateway.store, name, limit, after, bbox)


def _feature(gateway: Gateway, name: str, feature_id: str) -> str | None:
    from synthgrid_assets.services.gateway.landing.features import find_feature

    return find_feature(gateway.store, name, feature_id)


def _readable(gateway: Gateway, request: Request) -> str:
    """The collection of a request, if its sender may read it."""
    client = gateway.clients.of_request(headers_of(request), time.time())
    gateway.check_quota(client)
    name: str = request.path_params["collection"]
    entry = gateway.collections.find(name)
    if entry is None:
        raise _unknown(gateway, name)
    if gateway.clients.required and not entry.readable:
        raise RefusedError(
            403, f"collection {name} is not to be read here; declare it with readable = true"
        )
    return name


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise RefusedError(400, "limit must be a whole number from 1 on")
    return min(int(text), _LONGEST_PAGE)


def _bbox(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 6:  # heights do not count
        values = [*values[:2], *values[3:5]]
    good = len(values) == 4 and all(abs(value) <= 360.0 for value in values)
    if not good or values[1] > values[3]:
        raise RefusedError(400, "bbox is west,south,east,north in degrees")
    return values[0], values[1], values[2], values[3]


def _check_datetime(text: str) -> None:
    """Features have no time of their own, so each is of any time; the form is checked."""
    parts = text.split("/")
    if len(parts) > 2 or not all(_INSTANT.fullmatch(part) for part in parts):
        raise RefusedError(400, "datetime is a time as 2026-11-28T12:00:00Z, or two with a slash")


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _with(base: str, query: Any) -> str:
    return f"{base}?{urlencode(dict(query))}" if query else base


async def list_collections(request: Request) -> Response:
    """What may be sent where."""
    gateway: Gateway = request.app.state.gateway
    declared = gateway.collections.declared
    content: dict[str, object] = {
        "links": [{"href": "/collections", "rel": "self", "type": "application/json"}],
        "collections": [_described(name, entry.title) for name, entry in declared.items()],
    }
    if gateway.collections.path is None:
        landed = await asyncio.to_thread(gateway.ledger.collections)
        content["collections"] = [_described(name, "") for name in landed]
        content["anyName"] = NAMES
    return JSONResponse(content)


async def show_collection(request: Request) -> Response:
    """One of them."""
    gateway: Gateway = request.app.state.gateway
    name = request.path_params["collection"]
    entry = gateway.collections.find(name)
    if entry is None:
        raise _unknown(gateway, name)
    how = json.loads(entry.model_dump_json(exclude={"title"}))
    return JSONResponse(_described(name, entry.title) | {"landing": how})


def _described(name: str, title: str) -> dict[str, object]:
    return {
        "id": name,
        "title": title or name,
        "itemType": "feature",
        "crs": [_CRS84],
        "links": [
            {
                "href": f"/collections/{name}/items",
                "rel": "items",
                "type": _GEOJSON,
                "title": "what landed",
            },
            {"href": f"/collections/{name}", "rel": "self", "type": "application/json"},
            {
                "href": f"/collections/{name}/items",
                "rel": "create",
                "type": "application/geo+json",
                "title": "POST features here",
            },
        ],
    }
