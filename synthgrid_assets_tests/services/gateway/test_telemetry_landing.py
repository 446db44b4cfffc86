"""Telemetry over HTTP: durable or hopeless is 200, each fix lands once, on its own day."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.options import Limits
from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets.services.gateway.telemetry import Fix, Fixes
from synthgrid_assets_tests.services.gateway.served import Served, options_in

NOON = 1_700_006_400  # 2023-11-15 00:00:00 UTC, so that a day begins


@pytest.fixture
def served(tmp_path):
    with Served(options_in(tmp_path)) as running:
        running.workshop = open_workshop(running.options, Progress())
        yield running


def location(seconds, **more):
    spot = {"_type": "location", "tst": NOON + seconds, "lat": 47.5, "lon": 8.5, "tid": "ab"}
    return spot | more


def send(served, content, **headers):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"content_type": "application/json; charset=utf-8"} | headers
    return served.ask("POST", "/v1/telemetry", body, **headers)


def land(served):
    while work_once(served.workshop, owner_name(), 60.0):
        pass


def rows(served):
    files = sorted(Path(served.options.data).glob("telemetry/*/*.parquet"))
    return [
        row | {"day": file.parent.name} for file in files for row in pq.read_table(file).to_pylist()
    ]


def test_owntracks_is_always_answered_with_an_array(served):
    for content in (
        location(1),
        [location(2), location(3, vel=36)],
        {"_type": "status"},
        {"_type": "unknown"},
        b"{not json",
        b"",
    ):
        answer = send(served, content, x_limit_u="ana", x_limit_d="phone")
        assert (answer.status, answer.body) == (200, b"[]")
    assert send(served, b"", content_type="").body == b"[]"
    land(served)
    found = rows(served)
    assert sorted(row["time"].timestamp() - NOON for row in found) == [1, 2, 3]
    assert {row["device"] for row in found} == {"ana/phone"}
    reasons = [letter.reason for _, letter in served.gateway.ledger.dead_letters()]
    assert sorted(reasons) == ["syntax", "unknown_type"]


def test_a_repeated_message_is_one_and_another_devices_is_another(served):
    for device in ("phone", "phone", "tablet"):
        assert send(served, location(5), x_limit_u="ana", x_limit_d=device).status == 200
    land(served)
    assert Counter(row["device"] for row in rows(served)) == {"ana/phone": 1, "ana/tablet": 1}


def test_fixes_land_on_their_own_day_in_utc(served):
    send(served, [location(-1), location(0), location(86_399)])
    land(served)
    days = {row["time"].timestamp() - NOON: row["day"] for row in rows(served)}
    assert days == {-1: "2023-11-14", 0: "2023-11-15", 86_399: "2023-11-15"}


def test_arrow_and_geojson_come_in_by_job(served):
    fixes = Fixes.of([Fix("truck", NOON + k, 8.0, 47.0 + k / 100) for k in range(50)])
    table = fixes.to_arrow()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = send(served, sink.getvalue(), content_type="application/vnd.apache.arrow.stream")
    assert answer.status == 202
    line = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [8.0, 47.0]},
        "properties": {"device": "van", "time": "2023-11-15T10:00:00Z"},
    }
    other = send(served, line, content_type="application/geo+json-seq")
    land(served)
    job = served.ask("GET", answer.headers["location"]).json
    assert (job["status"], job["counts"]["landed"]) == ("successful", 50)
    assert served.ask("GET", other.headers["location"]).json["status"] == "successful"
    assert Counter(row["device"] for row in rows(served)) == {"truck": 50, "van": 1}


def test_a_track_comes_out_as_moving_features(served):
    for k in (3, 1, 2):
        send(served, location(k, lat=47.0 + k / 10), x_limit_u="ana", x_limit_d="phone")
    land(served)
    day = "from=2023-11-15T00:00:00Z&to=2023-11-15T00:00:02Z"
    answer = served.ask("GET", f"/v1/telemetry?device=ana/phone&{day}")
    (feature,) = answer.json["features"]
    geometry = feature["temporalGeometry"]
    assert [spot[1] for spot in geometry["coordinates"]] == [47.1, 47.2]
    assert served.ask("GET", f"/v1/telemetry?device=ana/tablet&{day}").status == 404
    for bad in ("", "device=a&from=x", "device=a&from=2023-11-15&to=2022-11-15"):
        assert served.ask("GET", f"/v1/telemetry?{bad}").status == 400


def test_a_client_sees_its_own_devices_alone(tmp_path):
    keys = tmp_path / "keys.json"
    tokens = {name: make_key(keys, name).token for name in ("one", "two")}
    with Served(options_in(tmp_path, keys=keys)) as served:
        served.workshop = open_workshop(served.options, Progress())
        assert send(served, location(1)).status == 401
        basic = base64.b64encode(f"one:{tokens['one']}".encode()).decode()
        assert send(served, location(1), authorization=f"Basic {basic}").status == 200
        land(served)
        query = "/v1/telemetry?device=ab&from=2023-11-15&to=2023-11-16"
        found = {
            name: served.ask("GET", query, authorization=f"Bearer {token}").status
            for name, token in tokens.items()
        }
        assert found == {"one": 200, "two": 404}
        assert served.ask("GET", query).status == 401


def test_a_full_queue_is_503_and_a_long_message_413(tmp_path):
    limits = replace(Limits(), queue=1, message=1000)
    with Served(options_in(tmp_path, limits=limits)) as served:
        assert send(served, b" " * 1001).status == 413
        assert send(served, location(1)).status == 200
        assert send(served, location(2)).status == 503
