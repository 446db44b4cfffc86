"""Ten times what a gateway can do: it sends away, answers cheaper, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue
from synthgrid_assets.services.gateway.options import OPTIONS_VARIABLE, GatewayOptions, Limits
from synthgrid_assets_tests.services.gateway.served import options_in
from synthgrid_assets_tests.services.gateway.test_processes import ready, wait_for

FLOOD = "synthgrid_assets_tests.services.gateway.flood"


def flood(port: int, seconds: float, connections: int, delivering: int) -> dict:
    command = [sys.executable, "-m", FLOOD, *map(str, (port, seconds, connections, delivering))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def running(options: GatewayOptions, log: Path):
    environment = {**os.environ, OPTIONS_VARIABLE: options.to_json()}
    with log.open("wb") as out:
        command = [sys.executable, "-m", "synthgrid_assets.services.gateway"]
        process = subprocess.Popen(command, stderr=out, env=environment)
    try:
        wait_for(lambda: is_ready(options.port))
        yield process
    finally:
        process.terminate()
        process.wait(40)


def is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        return ready(port)["landing"] == "ready"
    return False


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_times_the_load_is_answered_or_sent_away_and_nothing_is_lost(tmp_path):
    rng = np.random.default_rng(2)
    shapes = shapely.buffer(shapely.points(rng.uniform((6, 43), (14, 50), (2000, 2))), 0.05)
    frame = geopandas.GeoDataFrame(
        {"name": [f"z{k}" for k in range(2000)]}, geometry=shapes, crs="OGC:CRS84"
    )
    compile_layer(frame, tmp_path / "zones", name="name")
    options = replace(
        options_in(tmp_path / "data", limits=Limits(queue=60), zones=tmp_path / "zones"),
        workers=1,
    )
    jobs: list[str] = []
    with running(options, tmp_path / "log.txt"):
        flood(options.port, 2.0, 4, 0)  # what it can do
        for _ in range(2):
            found = flood(options.port, 8.0, 40, 12)
            jobs += found["jobs"]
            statuses = {int(told.split()[0]) for told in found["counts"]}
            assert statuses <= {200, 202, 429, 503}
            assert found["counts"].get("503", 0) > 0, "it was not too much"
        # well again, without being started anew
        wait_for(lambda: set(flood(options.port, 0.5, 1, 0)["counts"]) == {"200 exact"}, 60.0)
        with Database(options.database, INBOX) as database:
            wait_for(lambda: WorkQueue(database).depth().total == 0, 120.0)
            ledger = Ledger(database)
            for job in jobs:
                status = ledger.status(job)
                assert status.state == "successful"
                assert status.result["counts"]["landed"] in (50, 100)
    assert len(jobs) > 100
