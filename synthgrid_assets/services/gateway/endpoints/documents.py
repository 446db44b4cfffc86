"""What the gateway says of itself: landing page, conformance, OpenAPI and AsyncAPI.

Belongs here: documents. Not here: endpoints' behaviour; the OpenAPI paths are compared with
the routes by a test.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

OPENAPI_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_LINKS = (
    ("self", "/", "application/json", "this document"),
    ("service-desc", "/api", OPENAPI_TYPE, "OpenAPI"),
    ("service-desc", "/asyncapi", "application/json", "AsyncAPI"),
    ("conformance", "/conformance", "application/json", "what is claimed and what is not"),
    ("data", "/collections", "application/json", "collections"),
    ("monitor", "/metrics", "text/plain", "Prometheus metrics"),
)
CLAIMED = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
)
NOT_CLAIMED = {
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/create-replace-delete": (
        "POST has its form, but answers 202 and a job, never 201; there is no PUT and no DELETE"
    ),
    "http://www.opengis.net/spec/ogcapi-features-11/0.0/conf/bulk": (
        "bulk and asynchronous creation follow the draft, which may change"
    ),
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core": (
        "jobs have its words and form, but there are no processes to execute"
    ),
}


async def landing(request: Request) -> Response:
    """Links for programs, a page for people."""
    if "text/html" in request.headers.get("accept", ""):
        headers = {
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; connect-src 'self'",
            "x-content-type-options": "nosniff",
        }
        return HTMLResponse(_text("page.html"), headers=headers)
    links = [
        {"rel": rel, "href": href, "type": media, "title": title}
        for rel, href, media, title in _LINKS
    ]
    return JSONResponse({"title": "synthgrid gateway", "description": _ABOUT, "links": links})


async def conformance(request: Request) -> Response:
    """What is claimed; and what might be thought and is not, with the reason."""
    rest = [{"class": name, "why": why} for name, why in NOT_CLAIMED.items()]
    return JSONResponse({"conformsTo": list(CLAIMED), "notClaimed": rest})


async def openapi(request: Request) -> Response:
    """The endpoints."""
    return Response(json.dumps(openapi_document()), headers={"content-type": OPENAPI_TYPE})


async def asyncapi(request: Request) -> Response:
    """What is sent to callbacks."""
    return JSONResponse(_document("asyncapi.json"))


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, with this program's version."""
    return _document("openapi.json")


@cache
def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_text(name))
    document["info"]["version"] = version("synthgrid_assets")
    return document


@cache
def _text(name: str) -> str:
    return (files(__package__) / "documents" / name).read_text("utf-8")


_ABOUT = "Takes in geometries, telemetry and geofence questions; what lands becomes partitions."
