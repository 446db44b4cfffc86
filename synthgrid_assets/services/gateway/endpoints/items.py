"""``POST /collections/{collection}/items``: features of any number, taken in and landed later.

Belongs here: the shape of OGC API Features Part 4, with bulk and async as its draft Part 11
has it. Not here: what becomes of the features (`landing`).
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.services.gateway.endpoints.deliveries import Expected, deliver
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.runtime import Gateway

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


async def post_items(request: Request) -> Response:
    """Take in a body of features."""
    gateway: Gateway = request.app.state.gateway
    name = request.path_params.get("collection") or request.query_params.get(
        "collection", DEFAULT_COLLECTION
    )
    if gateway.collections.find(name) is None:
        raise RefusedError(404, f"there is no collection {name[:80]!r}; GET /collections has them")
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


async def list_collections(request: Request) -> Response:
    """What may be sent where."""
    gateway: Gateway = request.app.state.gateway
    declared = gateway.collections.declared
    content: dict[str, object] = {
        "links": [{"href": "/collections", "rel": "self", "type": "application/json"}],
        "collections": [_described(name, entry.title) for name, entry in declared.items()],
    }
    if gateway.collections.path is None:
        content["anyName"] = "each name of letters, digits, '_' and '-' is a collection"
    return JSONResponse(content)


async def show_collection(request: Request) -> Response:
    """One of them."""
    gateway: Gateway = request.app.state.gateway
    name = request.path_params["collection"]
    entry = gateway.collections.find(name)
    if entry is None:
        raise RefusedError(404, f"there is no collection {name[:80]!r}; GET /collections has them")
    how = json.loads(entry.model_dump_json(exclude={"title"}))
    return JSONResponse(_described(name, entry.title) | {"landing": how})


def _described(name: str, title: str) -> dict[str, object]:
    return {
        "id": name,
        "title": title or name,
        "itemType": "feature",
        "links": [
            {
                "href": f"/collections/{name}/items",
                "rel": "create",
                "type": "application/geo+json",
                "title": "POST features here",
            }
        ],
    }
