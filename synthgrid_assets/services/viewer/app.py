"""The viewer's ASGI application: every address, and what it answers.

Belongs here: HTTP. Not here: what is answered (`live`, `tile_facts`, `runs`), who may ask
(`guard`), processes and signals (`serve`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from importlib.resources import files
from typing import Any

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from synthgrid_assets.errors import SpecError, SynthGridError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.reports.tile_map.page_files import SCRIPTS, STYLES, page_file
from synthgrid_assets.services.viewer import pages
from synthgrid_assets.services.viewer.geometry import Geometry
from synthgrid_assets.services.viewer.guard import REPORT_POLICY, Guard, check_post
from synthgrid_assets.services.viewer.live import LiveWorld, Snapshot
from synthgrid_assets.services.viewer.options import ViewerOptions
from synthgrid_assets.services.viewer.real_data import real_data
from synthgrid_assets.services.viewer.runs import Request as RunRequest
from synthgrid_assets.services.viewer.state import Viewer
from synthgrid_assets.services.viewer.tile_facts import statistic, tile_facts

LOOK_EVERY = 0.5  # seconds between two looks at the journal, while a page is open
HEARTBEAT = 15.0  # seconds after which a silent stream says that it lives
MOST_BODY = 4096
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def build_app(options: ViewerOptions) -> Starlette:
    """The application of one viewer; `app.state.viewer` is its `state.Viewer`."""
    viewer = Viewer(options)

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            viewer.ending = True
            await run_sync(viewer.runs.close)

    app = Starlette(routes=routes(), lifespan=life)
    app.state.viewer = viewer
    app.add_exception_handler(SynthGridError, _explain)
    app.add_exception_handler(HTTPException, _explain)
    app.add_middleware(Guard)
    return app


def routes() -> list[Route]:
    """Every address."""
    of_world = "/api/worlds/{world}"
    return [
        Route("/", front),
        Route("/files/{name}", packaged),
        Route("/worlds/{world}", show_world),
        Route("/worlds/{world}/report", show_report),
        Route(f"{of_world}/events", events),
        Route(f"{of_world}/tiles/{{x:int}}/{{y:int}}", show_tile),
        Route(f"{of_world}/statistic", show_statistic),
        Route(f"{of_world}/geometry", show_geometry),
        Route(f"{of_world}/real", show_real_data),
        Route(f"{of_world}/runs", start_run, methods=["POST"]),
        Route(f"{of_world}/runs/{{key}}/cancel", cancel_run, methods=["POST"]),
    ]


async def front(request: Request) -> Response:
    """The list of worlds, or the world that the viewer was started with."""
    viewer = _viewer(request)
    if viewer.options.world is not None:
        name = (await run_sync(viewer.first)).world.spec.world.name
        return Response(status_code=307, headers={"location": f"/worlds/{name}"})
    return HTMLResponse(pages.front_page(await run_sync(viewer.names)))


async def packaged(request: Request) -> Response:
    """A script or style."""
    name = request.path_params["name"]
    if name in (*SCRIPTS, *STYLES):
        text = page_file(name)
    elif name in pages.FILES:
        text = (files(pages.__package__) / "static" / name).read_text(encoding="utf-8")
    else:
        raise HTTPException(404, f"no file {name!r}")
    return Response(text, media_type=_TYPES[name.rpartition(".")[2]])


async def show_world(request: Request) -> Response:
    """The map of a world."""
    viewer, live = _viewer(request), await _live(request)
    names = await run_sync(viewer.names)
    return HTMLResponse(pages.world_page(live.world, viewer.dagster, viewer.token, names))


async def show_report(request: Request) -> Response:
    """The world's report as it was made last; its scripts cannot speak for this viewer."""
    live = await _live(request)
    world = live.world
    key = world.layout.release_report(world.spec.world.name)
    if await run_sync(world.layout.store.stat, key) is None:
        told = (
            "no report has been made: materialise the asset release_report, or `synthgrid report`"
        )
        raise HTTPException(404, told)
    content = await run_sync(world.layout.store.get, key)
    return HTMLResponse(content, headers={"content-security-policy": REPORT_POLICY})


async def events(request: Request) -> Response:
    """Server-sent events: states of tiles and runs, whole at first and then as they change."""
    viewer, live = _viewer(request), await _live(request)

    async def stream() -> AsyncIterator[str]:
        told: Snapshot | None = None
        silent = 0.0
        while not viewer.ending:
            snapshot = await run_sync(live.snapshot)
            news = snapshot.since(told)
            told = snapshot
            silent = 0.0 if news else silent + LOOK_EVERY
            if news:
                yield f"data: {json.dumps(news, separators=(',', ':'))}\n\n"
            elif silent >= HEARTBEAT:
                silent = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(LOOK_EVERY)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def show_tile(request: Request) -> Response:
    """All that is recorded of a tile, whose place is counted from the world's first."""
    viewer, live = _viewer(request), await _live(request)
    tile = _tile(live, request.path_params["x"], request.path_params["y"])
    return JSONResponse(await run_sync(partial(tile_facts, live.world, viewer.dagster, tile)))


async def show_statistic(request: Request) -> Response:
    """A number of every tile."""
    live, asked = await _live(request), request.query_params
    layer, asset, name = (asked.get(key, "") for key in ("layer", "asset", "name"))
    return JSONResponse(await run_sync(partial(statistic, live.world, layer, asset, name)))


async def show_geometry(request: Request) -> Response:
    """Points or shapes of some tiles, in the form of `reports.tile_map.features`."""
    viewer, live, asked = _viewer(request), await _live(request), request.query_params
    geometry: Geometry = viewer.geometry
    found = await run_sync(
        partial(
            geometry.blocks,
            live.world,
            asked.get("layer", ""),
            asked.get("asset", ""),
            asked.get("tiles", ""),
            asked.get("most", ""),
        )
    )
    return Response(found, media_type="application/octet-stream")


async def show_real_data(request: Request) -> Response:
    """Outlines of deliveries and zones."""
    live = await _live(request)
    return JSONResponse(await run_sync(real_data, live.world))


async def start_run(request: Request) -> Response:
    """Start one run over a rectangle of tiles."""
    viewer = _viewer(request)
    check_post(request, viewer.token)
    live = await _live(request)
    asked = RunRequest.parse(await _body(request))
    run = await run_sync(partial(viewer.runs.start, live.world, asked))
    return JSONResponse({"key": run.key, "tiles": len(run.tiles)}, 202)


async def cancel_run(request: Request) -> Response:
    """Ask a run to end."""
    viewer = _viewer(request)
    check_post(request, viewer.token)
    run = viewer.runs.find(request.path_params["key"])
    if run is None:
        raise HTTPException(404, "this viewer has started no such run")
    run.cancel()
    return JSONResponse({"key": run.key}, 202)


async def _body(request: Request) -> Any:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise HTTPException(413, f"a request has at most {MOST_BODY} bytes")
    try:
        return json.loads(body)
    except ValueError as error:
        raise HTTPException(400, f"not JSON: {error}") from error


def _viewer(request: Request) -> Viewer:
    viewer: Viewer = request.app.state.viewer
    return viewer


async def _live(request: Request) -> LiveWorld:
    return await run_sync(_viewer(request).live, request.path_params["world"])


def _tile(live: LiveWorld, x: int, y: int) -> Tile:
    tiling = live.world.spec.world.tiling
    try:
        return tiling.at(tiling.columns[0] + x, tiling.rows[0] + y)
    except SpecError as error:
        raise HTTPException(404, str(error)) from error


async def _explain(request: Request, error: Exception) -> Response:
    """What went wrong, as JSON; pages of their own for a person who types an address."""
    status = error.status_code if isinstance(error, HTTPException) else 409
    if isinstance(error, SynthGridError) and not isinstance(error, SpecError):
        status = 500
    told = str(error.detail) if isinstance(error, HTTPException) else str(error)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(pages.trouble_page(told), status)
    return JSONResponse({"error": told}, status)
