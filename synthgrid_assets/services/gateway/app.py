"""The gateway's application: routes, refusals as problem documents, and its life.

Belongs here: which address is whose. Not here: what they do (`endpoints`) and the server
(`serve`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.services.gateway.endpoints import (
    documents,
    geofence,
    health,
    items,
    jobs,
    telemetry,
)
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError, busy
from synthgrid_assets.services.gateway.receiving.upload import DisconnectedError
from synthgrid_assets.services.gateway.runtime import Gateway

_PROBLEM = "application/problem+json"
_FOR_LOAD = (429, 503)


def build_app(options: GatewayOptions) -> Starlette:
    """The application of one gateway; `app.state.gateway` is its `runtime.Gateway`."""
    gateway = Gateway(options)

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        await gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    app = Starlette(routes=routes(), lifespan=life)
    app.state.gateway = gateway
    for error in (RefusedError, StorageError, SpecError, DisconnectedError, HTTPException):
        app.add_exception_handler(error, _refuse)
    app.add_middleware(HeaderRules, most=options.limits.header_bytes)
    return app


def routes() -> list[Route]:
    """Every address."""
    return [
        Route("/", documents.landing),
        Route("/api", documents.openapi),
        Route("/asyncapi", documents.asyncapi),
        Route("/conformance", documents.conformance),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
        Route("/collections", items.list_collections),
        Route("/collections/{collection}", items.show_collection),
        Route("/collections/{collection}/items", items.post_items, methods=["POST"]),
        Route("/collections/{collection}/items", items.get_items, methods=["GET"]),
        Route("/collections/{collection}/items/{feature}", items.get_item),
        Route("/v1/geometries", items.post_items, methods=["POST"]),
        Route("/v1/telemetry", telemetry.post_telemetry, methods=["POST"]),
        Route("/v1/telemetry", telemetry.get_telemetry, methods=["GET"]),
        Route("/v1/visits", telemetry.get_visits),
        Route("/v1/geofence", geofence.post_geofence, methods=["POST"]),
        Route("/jobs/{job}", jobs.show_job),
        Route("/jobs/{job}/results", jobs.show_results),
    ]


class HeaderRules:
    """Refuses requests whose header is whole but no good, before anything reads it.

    That is one too large, and what RFC 9112 has a server refuse: no or several hosts, and
    transfer codings that it does not undo.

    Parameters
    ----------
    app : ASGI application
        What is behind.
    most : int
        Bytes of names, values and the address.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        error = self._fault(scope) if scope["type"] == "http" else None
        app = self._app if error is None else _answer(error)
        await app(scope, receive, send)

    def _fault(self, scope: Scope) -> RefusedError | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in headers)
        if size > self._most:
            return RefusedError(431, f"the header has {size} bytes, {self._most} are taken")
        hosts = sum(name == b"host" for name, _ in headers)
        if hosts > 1 or (not hosts and scope["http_version"] != "1.0"):
            return RefusedError(400, f"the header has {hosts} fields `host`; send one")
        for name, value in headers:
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                return RefusedError(
                    501,
                    "no transfer coding but chunked is undone here; say gzip as content-encoding",
                )
        return None


async def _refuse(request: Request, error: Exception) -> Response:
    """Every refusal as a problem document; what went wrong here is worth a line."""
    if isinstance(error, DisconnectedError):
        return Response(status_code=408)  # nobody reads it
    if isinstance(error, HTTPException):
        error = _routed(request, error)
    if not isinstance(error, RefusedError):
        tell("cannot serve", path=request.url.path, error=str(error))
        error = busy(
            "the gateway cannot serve this now, and its log says why; nothing was taken in", 5.0
        )
    gateway: Gateway = request.app.state.gateway
    gateway.metrics.count("refused_total", "Refusals by status.", status=str(error.status))
    if error.status in _FOR_LOAD:
        await gateway.hold.wait()
    return _answer(error)


def _routed(request: Request, error: HTTPException) -> RefusedError:
    """What is wrong with an address or a method, and which there are."""
    status, headers = error.status_code, dict(error.headers or {})
    if status == 404:
        return RefusedError(404, "there is nothing at this address; GET /api has every one")
    if status != 405:
        return RefusedError(status, str(error.detail), headers)
    taken: set[str] = set()  # an address may have several routes
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            taken |= route.methods
    allow = ", ".join(sorted(taken))
    return RefusedError(
        405,
        f"{request.method[:20]} is not taken at this address; it takes {allow}",
        {"allow": allow},
    )


def _answer(error: RefusedError) -> Response:
    return Response(error.document(), error.status, {"content-type": _PROBLEM, **error.headers})
