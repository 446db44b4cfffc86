"""``/healthz``, ``/readyz`` and ``/metrics``: for whoever watches the gateway.

Belongs here: what they say. Not here: what is measured (`runtime`, `loop_watch`).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.services.gateway.metrics import CONTENT_TYPE
from synthgrid_assets.services.gateway.runtime import Gateway


async def healthz(request: Request) -> Response:
    """The process answers: nothing else is asked, so that a full queue restarts nobody."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Whether new deliveries are taken: not before the inbox is open, nor while it is full.

    That landing workers are still starting changes nothing about it: what is taken is kept.
    """
    gateway: Gateway = request.app.state.gateway
    fill = gateway.fill
    ready = gateway.ready and fill < 1.0
    content = {
        "status": "ready" if ready else "not ready",
        "queue_fill": round(fill, 4),
        "landing": gateway.landing,
    }
    return JSONResponse(content, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """All of them, as Prometheus reads them."""
    gateway: Gateway = request.app.state.gateway
    return Response(gateway.metrics.text(), headers={"content-type": CONTENT_TYPE})
