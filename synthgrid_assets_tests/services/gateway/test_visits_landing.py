"""Visits over HTTP: whatever the order of arrival and whoever is killed, the same events once."""

from __future__ import annotations

import json
import random

import geopandas
import pytest
import shapely

from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets_tests.services.gateway.served import Served, options_in

START = 1_700_000_000


def fixes():
    """Two devices that pass a square of one degree again and again."""
    return [
        {"_type": "location", "tst": START + 20 * k, "lat": 47.5, "lon": 7.6 + 0.25 * (k % 9),
         "tid": f"d{n}"}
        for n in range(2)
        for k in range(60)
    ]  # fmt: skip


def visits_of(folder, order, killed=False):
    square = geopandas.GeoDataFrame(
        {"name": ["square"]}, geometry=[shapely.box(8, 47, 9, 48)], crs="OGC:CRS84"
    )
    compile_layer(square, folder / "zones", name="name")
    options = options_in(folder / "data", zones=folder / "zones")
    with Served(options) as served:
        workshop = open_workshop(options, Progress())
        messages = fixes()
        for at in range(0, len(order), 7):
            body = json.dumps([messages[k] for k in order[at : at + 7]])
            served.ask("POST", "/v1/telemetry", body, content_type="application/json")
            if killed:  # the work is done, and its end is not recorded
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(workshop.ledger.__class__, "finish", lambda *a: False)
                    work_once(workshop, owner_name(), 0.0)
            if at % 21 == 0:
                while work_once(workshop, owner_name(), 60.0):
                    pass
        while work_once(workshop, owner_name(), 60.0):
            pass
        events, after = [], 0
        while (page := served.ask("GET", f"/v1/visits?after={after}").json)["events"]:
            events += page["events"]
            after = page["after"]
        assert served.ask("GET", "/v1/visits?after=x").status == 400
    return sorted(
        (event["device"], event["time"], event["kind"], event["zone"]) for event in events
    )


def test_any_order_within_the_lateness_and_lost_leases_give_the_same_visits(tmp_path):
    straight = sorted(range(120), key=lambda k: k % 60)
    draw = random.Random(7)
    # each fix moves by less than 300 s, the declared lateness
    shuffled = sorted(straight, key=lambda k: 20 * (k % 60) + draw.uniform(0, 150))
    expected = visits_of(tmp_path / "a", straight)
    kinds = [kind for _, _, kind, _ in expected]
    assert kinds.count("enter") >= 8
    assert abs(kinds.count("enter") - kinds.count("exit")) <= 2
    assert visits_of(tmp_path / "b", shuffled) == expected
    assert visits_of(tmp_path / "c", shuffled, killed=True) == expected
