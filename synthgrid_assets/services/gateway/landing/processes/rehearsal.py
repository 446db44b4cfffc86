"""A rehearsal: everything that landing needs is loaded and compiled before there is a limit.

Belongs here: one delivery of each kind, landed in a folder that is thrown away. Not here: what
landing is.

Kernels that are compiled, or libraries that are loaded, under a limit of memory end their
process; and what a supervisor has loaded its workers have from their first moment.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

from synthgrid_assets.services.gateway.geojson import warm_up
from synthgrid_assets.services.gateway.inbox.deliveries import Delivery, Kind, new_id
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.log import quiet
from synthgrid_assets.services.gateway.options import GatewayOptions

_UTM = b'"crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::32632"}}'
_POINT = b'{"type":"Point","coordinates":[5e5,5.2e6]}'
_BOW_TIE = b'{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}'
_FEATURE = b'{"type":"Feature","id":1,"properties":{"a":1},"geometry":%s}'
_COLLECTION = b'{"type":"FeatureCollection",%s,"features":[%s]}'
_FIX = b'{"_type":"location","tst":1700000000,"lat":47.5,"lon":8.5,"tid":"a"}'
_BODIES: tuple[tuple[Kind, str, bytes], ...] = (
    ("geometries", "application/geo+json", _COLLECTION % (_UTM, _FEATURE % _POINT)),
    ("geometries", "application/geo+json", _FEATURE % _BOW_TIE),
    ("geometries", "application/geo+json", b"{"),
    ("geometries", "application/geo+json-seq", b"\x1e" + _FEATURE % b"null" + b"\n"),
    ("telemetry", "application/json", _FIX),
)


def rehearse() -> float:
    """Land a few small bodies for nothing; how many seconds it took.

    What it logs is left out: some of the bodies are meant to fail.
    """
    began = time.perf_counter()
    warm_up()
    with quiet(), tempfile.TemporaryDirectory(prefix="synthgrid-rehearsal-") as folder:
        options = GatewayOptions(str(Path(folder)))
        workshop = open_workshop(options, Progress())
        Intake(workshop.queue.database).put([_delivery(*body) for body in _BODIES])
        while work_once(workshop, owner_name(), 600.0):
            pass
        workshop.queue.database.close()
    return time.perf_counter() - began


def _delivery(kind: Kind, content_type: str, data: bytes) -> Delivery:
    name = new_id()
    return Delivery(
        id=name,
        key=name,
        kind=kind,
        collection="rehearsal",
        client="",
        content_type=content_type,
        encoding="",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        data=data,
        path="",
        correlation=name,
        callback="",
        received=time.time(),
    )
