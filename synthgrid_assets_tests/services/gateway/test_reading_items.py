"""What landed, read over HTTP: each feature once, by GDAL too, and only by those who may."""

from __future__ import annotations

import json
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets_tests.services.gateway.deliveries import delivery
from synthgrid_assets_tests.services.gateway.served import Served, options_in

SPOTS = np.random.default_rng(12).uniform((-180, -90), (180, 90), (300, 2))


def feature(n: int, geometry) -> dict:
    return {"type": "Feature", "id": n, "geometry": geometry, "properties": {"n": n, "t": "ä"}}


def sent() -> list[dict]:
    found = [
        feature(n, {"type": "Point", "coordinates": xy}) for n, xy in enumerate(SPOTS.tolist())
    ]
    square = json.loads(shapely.to_geojson(shapely.box(7, 46, 8, 47)))
    return [*found, feature(300, square), feature(301, None)]


def land(options, features, **changes) -> str:
    workshop = open_workshop(options, Progress())
    body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    changes = {"collection": "spots"} | changes
    (accepted,) = Intake(workshop.queue.database).put([delivery(str(len(body)), body, **changes)])
    while work_once(workshop, owner_name(), 60.0):
        pass
    return accepted.id


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(options_in(tmp_path_factory.mktemp("items"))) as running:
        running.job = land(running.options, sent())
        utm = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
        line = {"type": "LineString", "coordinates": [[5e5, 5.2e6], [5.1e5, 5.21e6, 4.0]]}
        body = {"type": "FeatureCollection", "features": [feature(0, line)], "crs": utm}
        workshop = open_workshop(running.options, Progress())
        message = delivery("utm", json.dumps(body).encode(), collection="lines")
        Intake(workshop.queue.database).put([message])
        while work_once(workshop, owner_name(), 60.0):
            pass
        yield running


def pages(served, query=""):
    path, found = f"/collections/spots/items{query}", []
    while path:
        answer = served.ask("GET", path)
        assert answer.status == 200
        assert answer.json["numberReturned"] == len(answer.json["features"])
        found += answer.json["features"]
        (path,) = [one["href"] for one in answer.json["links"] if one["rel"] == "next"] or [None]
        path = path and path.partition(str(served.options.port))[2]
    return found


@pytest.mark.parametrize("limit", [1000, 60])
def test_following_the_pages_gives_each_feature_once_as_it_was_sent(served, limit):
    found = {one["properties"]["n"]: one for one in pages(served, f"?limit={limit}")}
    assert len(found) == 302 == len(pages(served, f"?limit={limit}"))
    for original in sent():
        one = found[original["properties"]["n"]]
        assert one["properties"] == original["properties"]
        assert one["feature_id"] == original["id"]
        if original["geometry"] is None:
            assert one["geometry"] is None
        else:
            assert shapely.equals(*(
                shapely.from_geojson(json.dumps(each["geometry"])) for each in (one, original)
            ))  # fmt: skip
    for n in (0, 17, 301):
        one = served.ask("GET", f"/collections/spots/items/{found[n]['id']}").json
        assert one["properties"] == found[n]["properties"]


@pytest.mark.parametrize("box", [(-20, -20, 30, 40), (7.5, 46.5, 7.6, 46.6), (170, -90, -170, 90)])
def test_a_box_is_what_shapely_says(served, box):
    west, south, east, north = box
    parts = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    area = shapely.union_all([shapely.box(a, south, b, north) for a, b in parts])
    expected = {
        one["properties"]["n"]
        for one in sent()
        if one["geometry"]
        and shapely.intersects(area, shapely.from_geojson(json.dumps(one["geometry"])))
    }
    found = pages(served, f"?bbox={','.join(map(str, box))}&limit=50")
    assert {one["properties"]["n"] for one in found} == expected
    assert expected


GDAL = """
import sys, pyogrio
address, folder = sys.argv[1:]
for name in pyogrio.list_layers(address)[:, 0]:
    frame = pyogrio.read_dataframe(address, layer=name, PAGE_SIZE=90)
    frame.to_file(f"{folder}/{name}.gpkg")
"""


def test_gdal_reads_it_as_ogc_api_features(served, tmp_path):
    """By pages that it follows itself; names, numbers and texts as they were sent."""
    address = f"OAPIF:http://127.0.0.1:{served.options.port}"
    subprocess.run(  # a process of its own: pyogrio holds this one's threads while it waits
        [sys.executable, "-c", GDAL, address, str(tmp_path)], check=True, timeout=60
    )
    frame = geopandas.read_file(tmp_path / "spots.gpkg")
    assert sorted(frame["n"]) == list(range(302))
    assert set(frame["t"]) == {"ä"}
    assert frame.crs.to_epsg() in (4326, None)
    points = frame[frame["n"] < 300].sort_values("n")
    assert np.array_equal(shapely.get_coordinates(points.geometry), SPOTS)
    line = geopandas.read_file(tmp_path / "lines.gpkg").geometry[0]
    assert np.allclose(shapely.get_coordinates(line)[0], [9.0, 46.9526], atol=1e-3)


@pytest.mark.parametrize(
    ("status", "query"),
    [
        (400, "?limit=0"),
        (400, "?limit=x"),
        (400, "?bbox=1,2,3"),
        (400, "?bbox=1,5,3,4"),
        (400, "?bbox=nan,0,1,1"),
        (400, "?datetime=yesterday"),
        (400, "?colour=red"),
        (400, "?after=../../etc/passwd"),
        (404, "/no"),
        (404, f"/{'0' * 32}.0"),
        (200, "?datetime=2026-01-01T00:00:00Z/.."),
        (200, "?after=zzz:0"),
    ],
)
def test_wrong_questions_are_told(served, status, query):
    assert served.ask("GET", f"/collections/spots/items{query}").status == status


def test_an_empty_collection_is_an_empty_page(served):
    assert served.ask("GET", "/collections/nothing/items").json["features"] == []
    assert served.ask("GET", "/collections/no.name/items").status == 404


def test_with_keys_only_what_is_declared_readable_is_read(tmp_path):
    token = make_key(tmp_path / "keys.json", "fleet").token
    declared = tmp_path / "c.toml"
    declared.write_text("[collections.open]\nreadable = true\n[collections.spots]\n")
    options = options_in(tmp_path / "d", keys=tmp_path / "keys.json", collections=declared)
    land(options, sent()[:2], collection="open")
    with Served(options) as served:
        held = {"authorization": f"Bearer {token}"}
        assert served.ask("GET", "/collections/open/items").status == 401
        assert served.ask("GET", "/collections/spots/items", **held).status == 403
        found = served.ask("GET", "/collections/open/items", **held).json
        assert found["numberReturned"] == 2
