"""Geofence questions over HTTP: answers equal shapely's, the tier is told, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time

import geopandas
import numpy as np
import pytest
import shapely
from pyproj import Geod

from synthgrid_assets.services.gateway.geofence.sources import compile_layer
from synthgrid_assets.services.gateway.geofence.tiers import Tier
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets.services.gateway.receiving.places import Hold
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets_tests.services.gateway.served import Served, options_in


def zones(shift=0.0):
    shapes = [shapely.Point(8 + k % 5 + shift, 45 + k // 5).buffer(0.9) for k in range(20)]
    shapes[3] = shapes[3].difference(shapely.Point(11 + shift, 45).buffer(0.4))
    names = [f"zone-{k}" for k in range(20)]
    return geopandas.GeoDataFrame({"name": names}, geometry=shapes, crs="OGC:CRS84")


@pytest.fixture
def served(tmp_path):
    compile_layer(zones(), tmp_path / "zones", name="name")
    with Served(options_in(tmp_path / "data", zones=tmp_path / "zones")) as running:
        running.folder = tmp_path / "zones"
        yield running


def ask(served, points, **headers):
    body = json.dumps({"points": np.asarray(points).tolist()})
    headers = {"content_type": "application/json"} | headers
    return served.ask("POST", "/v1/geofence", body, **headers)


def expected(frame, points):
    tree = shapely.STRtree(frame.geometry.to_numpy())
    found = [set() for _ in points]
    for point, zone in tree.query(shapely.points(points), predicate="intersects").T:
        found[point].add(frame["name"][zone])
    return found


POINTS = np.column_stack(
    [np.random.default_rng(4).uniform(6, 14, 500), np.random.default_rng(5).uniform(43, 50, 500)]
)


def test_answers_equal_shapelys(served):
    answer = ask(served, POINTS)
    assert (answer.status, answer.json["tier"]) == (200, "exact")
    assert [set(names) for names in answer.json["zones"]] == expected(zones(), POINTS)
    vertices = shapely.get_coordinates(zones().geometry[3])[:50]
    found = [set(names) for names in ask(served, vertices).json["zones"]]
    assert found == expected(zones(), vertices)
    assert ask(served, np.zeros((0, 2))).json["zones"] == []


def test_a_radius_in_metres_finds_what_is_near(served, monkeypatch):
    """Distances of an oracle: points on the ellipsoid, along densified boundaries."""
    points = POINTS[:12]
    body = json.dumps({"points": points.tolist(), "radius": 40_000})
    answer = served.ask("POST", "/v1/geofence", body).json
    assert [set(names) for names in answer["zones"]] == expected(zones(), points)
    measured = [{item["zone"]: item["metres"] for item in near} for near in answer["nearby"]]
    geod, frame = Geod(ellps="WGS84"), zones()
    for point, near in zip(points, measured, strict=True):
        for name, shape in zip(frame["name"], frame.geometry, strict=True):
            ring = shapely.get_coordinates(shapely.segmentize(shape, 0.002))
            ends = np.broadcast_to(point, ring.shape)
            metres = geod.inv(ends[:, 0], ends[:, 1], ring[:, 0], ring[:, 1])[2].min()
            metres = 0.0 if shape.intersects(shapely.Point(point)) else metres
            assert (name in near) == (metres <= 40_000)
            if name in near:
                assert near[name] == pytest.approx(metres, abs=2.0)
    monkeypatch.setattr(served.gateway.tiers, "decide", lambda points: Tier.BOXES)
    later = served.ask("POST", "/v1/geofence", body)
    assert (later.status, later.json["tier"]) == (202, "deferred")
    work_once(open_workshop(served.options, Progress()), owner_name(), 60.0)
    assert served.ask("GET", later.json["results"]).json["nearby"] == answer["nearby"]


def test_a_new_version_is_taken_up_while_serving(served, monkeypatch):
    # compiling here holds up the server's loop, which shares this interpreter
    monkeypatch.setattr(served.gateway.tiers, "decide", lambda points: Tier.EXACT)
    first = ask(served, POINTS).json
    compile_layer(zones(shift=0.3), served.folder, name="name")
    second = ask(served, POINTS).json
    assert second["version"] != first["version"]
    assert [set(names) for names in second["zones"]] == expected(zones(shift=0.3), POINTS)


def test_a_deferred_question_is_answered_exactly_later(served, monkeypatch):
    monkeypatch.setattr(served.gateway.tiers, "decide", lambda points: Tier.DEFERRED)
    answer = ask(served, POINTS)
    assert (answer.status, answer.json["tier"]) == (202, "deferred")
    assert work_once(open_workshop(served.options, Progress()), owner_name(), 60.0) == 1
    results = served.ask("GET", answer.json["results"]).json
    assert [set(names) for names in results["zones"]] == expected(zones(), POINTS)
    assert results["tier"] == "exact"


def test_boxes_hold_the_exact_answer(served, monkeypatch):
    monkeypatch.setattr(served.gateway.tiers, "decide", lambda points: Tier.BOXES)
    answer = ask(served, POINTS).json
    assert answer["tier"] == "boxes"
    pairs = zip(answer["zones"], expected(zones(), POINTS), strict=True)
    assert all(set(coarse) >= exact for coarse, exact in pairs)


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity"])
def test_a_question_that_is_packed_is_told_how_to_come(served, encoding):
    body = gzip.compress(b'{"points": [[8, 45]]}')
    answer = served.ask("POST", "/v1/geofence", body, content_encoding=encoding)
    assert answer.status == 415
    assert "without content-encoding" in answer.json["detail"]
    body = b'{"points": [[8, 45]]}'
    assert served.ask("POST", "/v1/geofence", body, content_encoding="identity").status == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"{"),
        (400, b"[" * 5000),
        (400, b"[1, 2]"),
        (400, b'{"points": 3}'),
        (400, b'{"points": [[1]]}'),
        (400, b'{"points": [["a", 2]]}'),
        (400, b'{"points": [["1", "2"]]}'),
        (400, b'{"points": ["12"]}'),
        (400, b'{"points": [[true, 2]]}'),
        (400, b'{"points": [[1, null]]}'),
        (400, b'{"points": [[[1, 2], [3, 4]]]}'),
        (400, b'{"points": {"0": [1, 2]}}'),
        (400, b'{"points": [[1%s, 2]]}' % (b"0" * 400)),
        (400, b'{"points": [[1, 2]], "points": []}'),
        (400, b'{"points": [[1, 2]], "radius": 1, "radius": 9}'),
        (400, b'{"type": "LineString", "coordinates": [[1, 2], [3, 4]]}'),
        (400, b'{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [1, 2]]]}'),
        (400, b'{"type": "Point", "coordinates": [[1, 2]]}'),
        (400, b'{"type": "Point", "coordinates": [1, 2], "points": [[3, 4]]}'),
        (400, b'{"points": [[NaN, 2]]}'),
        (400, b'{"points": [[1e400, 2]]}'),
        (400, b'{"points": [[181, 2]]}'),
        (400, b'{"points": [[1, -91]]}'),
        (413, json.dumps({"points": [[1, 2]] * 10_001}).encode()),
        (413, json.dumps({"points": [[1, 2]] * 1001, "radius": 5}).encode()),
        (400, b'{"points": [[1, 2]], "radius": "far"}'),
        (400, b'{"points": [[1, 2]], "radius": -1}'),
        (400, b'{"points": [[1, 2]], "radius": NaN}'),
        (400, b'{"points": [[1, 2]], "radius": 1e9}'),
        (400, b'{"points": [[1, 2]], "radius": true}'),
        (413, b" " * ((8 << 20) + 1)),
        (200, b'{"type": "Point", "coordinates": [8, 45]}'),
        (200, b'{"type": "MultiPoint", "coordinates": [[8, 45], [9, 45, 300]]}'),
    ],
)
def test_questions_are_answered_or_refused(served, status, body):
    assert served.ask("POST", "/v1/geofence", body).status == status


def test_without_zones_there_are_no_geofences(tmp_path):
    with Served(options_in(tmp_path)) as served:
        answer = ask(served, POINTS)
        assert answer.status == 404
        assert "--zones" in answer.json["detail"]


def test_questions_need_a_key_where_keys_are_needed(tmp_path):
    compile_layer(zones(), tmp_path / "zones", name="name")
    token = make_key(tmp_path / "keys.json", "fleet").token
    options = options_in(tmp_path / "d", zones=tmp_path / "zones", keys=tmp_path / "keys.json")
    with Served(options) as served:
        assert ask(served, POINTS[:3]).status == 401
        assert ask(served, POINTS[:3], authorization=f"Bearer {token}").status == 200


def test_a_full_queue_makes_answers_cheaper_and_never_wrong(tmp_path):
    compile_layer(zones(), tmp_path / "zones", name="name")
    with Served(options_in(tmp_path / "d", zones=tmp_path / "zones")) as served:
        for _ in range(3):
            served.gateway.tiers.observe_fill(1.0, "inbox")
            assert ask(served, POINTS[:5]).status in (200, 202)
        deadline = time.monotonic() + 10
        while ask(served, POINTS[:5]).json["tier"] != "exact":
            assert time.monotonic() < deadline, "it does not recover"
            time.sleep(0.05)
        text = served.ask("GET", "/metrics").body.decode()
        assert 'geofence_points_total{tier="exact"}' in text


def test_questions_beyond_those_in_hand_are_sent_away_after_a_moment(served):
    places = served.gateway.questions
    with contextlib.ExitStack() as all_taken:
        for _ in range(served.options.limits.questions):
            all_taken.enter_context(places.one())
        began = time.monotonic()
        answer = ask(served, POINTS)
        assert time.monotonic() - began > 0.1
        assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
    assert (ask(served, POINTS).status, places.taken) == (200, 0)


def test_deferrals_beyond_those_in_hand_are_sent_away(served):
    served.gateway.tiers.observe_lag(60.0)
    with contextlib.ExitStack() as all_taken:
        while True:
            try:
                all_taken.enter_context(served.gateway.deferrals.one())
            except RefusedError:
                break
        assert ask(served, POINTS).status == 503


def test_refusals_that_are_held_are_bounded():
    async def two_at_once() -> list[float]:
        hold, began = Hold(seconds=0.2, most=1), time.monotonic()

        async def held() -> float:
            await hold.wait()
            return time.monotonic() - began

        return sorted(await asyncio.gather(held(), held()))

    first, second = asyncio.run(two_at_once())
    assert first < 0.1 < second
