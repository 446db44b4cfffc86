"""Visits over HTTP: whatever the order of arrival and whoever is killed, the same events once."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import geopandas
import pytest
import shapely
import sqlalchemy as sa

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.gateway.inbox.tables import INBOX, notice, visit_due, visit_state
from synthgrid_assets.services.gateway.inbox.totals import visit_totals
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes import worker
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.landing.visits import Visits, visits_after
from synthgrid_assets.services.gateway.receiving.clients import Clients, make_key
from synthgrid_assets.services.gateway.telemetry import Fix, Fixes
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets_tests.services.gateway.deliveries import Clock
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


def test_a_device_that_falls_silent_is_told_to_have_left_and_its_hook_hears(tmp_path):
    """By the clock alone; on the courier's list, signed for; and sums say where all went."""
    square = geopandas.GeoDataFrame(
        {"name": ["square"]}, geometry=[shapely.box(8, 47, 9, 48)], crs="OGC:CRS84"
    )
    compile_layer(square, tmp_path / "zones", name="name")
    keys = tmp_path / "keys.json"
    make_key(keys, "fleet", hook="http://127.0.0.1:9/hook")
    clock = Clock(START + 1000.0)
    rules = VisitRules(lateness=300.0, silence=600.0, patience=3600.0)
    visits = Visits(tmp_path / "zones", rules, Clients(keys), clock)
    fixes = Fixes.of([Fix("a", START + 20.0 * k, 8.5, 47.5) for k in range(30)])
    with Database(tmp_path / "inbox.sqlite", INBOX) as database:
        with database.writing() as connection:
            visits.record(connection, "fleet", fixes)
        assert [e["kind"] for e in visits_after(database, "fleet", 0, 9)] == ["enter"]
        assert visits.advance_now(database) == 0
        clock.now = START + 580 + 600 + 3600.0
        assert visits.advance_now(database) == 0  # a fix that comes now would still count
        clock.now += 1.0
        assert visits.advance_now(database) == 1
        assert visits.advance_now(database) == 0
        told = visits_after(database, "fleet", 0, 9)
        assert [(e["kind"], e["time"]) for e in told] == [("enter", START), ("exit", START + 580)]
        totals = visit_totals(database)
        assert totals["fixes_received"] == 30 == totals["fixes_used"]
        assert totals.get("fixes_waiting", 0) == 0
        assert (totals["events_enter"], totals["events_exit"], totals["events_hooked"]) == (1, 1, 2)
        with database.reading() as connection:
            rows = connection.execute(sa.select(notice)).all()
        events = [event for row in rows for event in json.loads(row.event)["data"]["events"]]
        assert [event["kind"] for event in events] == ["enter", "exit"]
        assert {row.url for row in rows} == {"http://127.0.0.1:9/hook"}
        assert Clients(keys).may_call_back("fleet", rows[0].url)
        assert not Clients(keys).may_call_back("other", rows[0].url)


def test_an_inbox_of_the_first_version_is_raised(tmp_path):
    first = replace(INBOX, steps=INBOX.steps[:1], tables=("job", "queue"))
    Database(tmp_path / "inbox.sqlite", first).close()
    with Database(tmp_path / "inbox.sqlite", INBOX) as database:
        assert visit_totals(database) == {}


def test_a_state_that_cannot_be_read_holds_no_landing_up(tmp_path, monkeypatch):
    square = geopandas.GeoDataFrame(geometry=[shapely.box(8, 47, 9, 48)], crs="OGC:CRS84")
    compile_layer(square, tmp_path / "zones")
    options = options_in(tmp_path / "data", zones=tmp_path / "zones")
    workshop = open_workshop(options, Progress())
    with workshop.queue.database.writing() as connection:
        connection.execute(visit_state.insert().values(client="", device="a", state=b"not a state"))
        connection.execute(visit_due.insert().values(client="", device="a", due=1.0))
    told = []
    monkeypatch.setattr(worker, "tell", lambda event, **fields: told.append((event, fields)))
    worker.advance_visits(workshop)
    assert [event for event, _ in told] == ["visits not advanced"]
    assert "device 'a'" in told[0][1]["error"]
