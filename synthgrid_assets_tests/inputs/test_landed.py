"""What the gateway landed as inputs of a world, and its points read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.registry import table_of
from synthgrid_assets.inputs.landed import (
    collection_place,
    landed_version,
    read_landed_points,
)
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.settings import DATA_VARIABLE
from synthgrid_assets.testing.input_tests import PLACE, InputTests
from synthgrid_assets_tests.services.gateway.deliveries import delivery

# damage is named: the contract's tests that cause it look at what follows
pytestmark = pytest.mark.filterwarnings("ignore:.*damaged:synthgrid_assets.errors.SynthGridWarning")
TO_DEGREES = Transformer.from_crs(PLACE.lattice.crs, "OGC:CRS84", always_xy=True)
LINE = shapely.LineString([(9, 9), (700, 300)])
SQUARE, ROUND = shapely.box(9, 9, 700, 300), shapely.Point(500, 500).buffer(300)


def feature(shape, **properties):
    """A GeoJSON feature of a shape in metres from the contract's origin."""
    x0, y0 = PLACE.lattice.origin
    moved = shapely.transform(
        shape, lambda xy: np.column_stack(TO_DEGREES.transform(xy[:, 0] + x0, xy[:, 1] + y0))
    )
    geometry = json.loads(shapely.to_geojson(moved))
    return {"type": "Feature", "geometry": geometry, "properties": properties or None}


def land(folder: Path, name: str, features, **changes) -> None:
    """Land features as a gateway does."""
    workshop = open_workshop(GatewayOptions(str(folder)), Progress())
    body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    changes = {"collection": name, "id": f"{abs(hash((name, body))):032x}"} | changes
    Intake(workshop.queue.database).put([delivery(changes["id"], body, **changes)])
    while work_once(workshop, owner_name(), 60.0):
        pass
    assert workshop.ledger.status(changes["id"]).result["counts"]["rejected"] == 0


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landed") / "data"
    nowhere = {"type": "Feature", "geometry": None, "properties": {}}
    land(folder, "roads", [feature(LINE), nowhere])
    land(folder, "streets", [feature(LINE), feature(shapely.LineString([(9, 200), (400, 9)]))])
    land(folder, "parks", [feature(SQUARE), nowhere])
    land(folder, "lakes", [feature(ROUND)])
    return folder


@pytest.fixture(autouse=True)
def known_root(landed, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(landed))


class TestLandedLines(InputTests):
    """Landed lines as constraints: features without a geometry are no lines."""

    key, use = "landed", "constraints"

    def tables(self, folder):
        return {"landed": "roads"}, {"landed": "streets"}


class TestLandedPolygons(InputTests):
    key, use = "landed", "within"

    def tables(self, folder):
        return {"landed": "parks"}, {"landed": "lakes"}


def test_a_mask_is_what_was_sent_and_follows_what_lands(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    land(tmp_path, "parks", [feature(SQUARE)])
    before = table_of({"landed": "parks"}).as_input(PLACE)
    versions = [before.code_version, landed_version(tmp_path, collection_place("parks"))]
    area = before.load().coverage(PLACE.extent).sum() * PLACE.lattice.cell**2
    # vertices move by half a quantum at most
    assert area == pytest.approx(SQUARE.area, rel=1e-4)
    land(tmp_path, "parks", [feature(ROUND)])
    after = table_of({"landed": "parks"}).as_input(PLACE)
    assert after.code_version != versions[0]
    assert landed_version(tmp_path, collection_place("parks")) != versions[1]
    area = after.load().coverage(PLACE.extent).sum() * PLACE.lattice.cell**2
    inside = shapely.union(SQUARE, ROUND).intersection(shapely.box(0, 0, 1024, 1024))
    assert area == pytest.approx(inside.area, rel=1e-4)


def test_an_unknown_collection_is_told():
    with pytest.raises(SpecError, match="nothing has landed there"):
        table_of({"landed": "nobody"}).as_input(PLACE)
    with pytest.raises(ValueError, match="pattern"):
        table_of({"landed": "../x"})


def test_points_come_back_with_their_attributes(tmp_path):
    spots = [(k % 50 * 20.0, k // 50 * 20.0) for k in range(2000)]
    sent = [feature(shapely.Point(xy), user=f"u{k % 7}", n=k) for k, xy in enumerate(spots)]
    sent[5]["properties"] = None
    for part in range(4):
        land(tmp_path, "taxis", sent[part::4])
    parts = list(read_landed_points(tmp_path, collection_place("taxis"), ["user", "n", "job"]))
    assert {part.crs for part in parts} == {"OGC:CRS84"}
    xy = np.concatenate([part.xy for part in parts])
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    assert len(set(columns["job"])) == 4
    found = {n: (tuple(spot), user) for n, spot, user in zip(
        columns["n"], xy.tolist(), columns["user"], strict=True) if n is not None}  # fmt: skip
    assert found == {
        k: (tuple(sent[k]["geometry"]["coordinates"]), f"u{k % 7}") for k in range(2000) if k != 5
    }
    assert len(xy) == 2000


def test_positions_are_points_too(tmp_path):
    fixes = [{"_type": "location", "tst": 1_700_000_000 + k, "lat": 47, "lon": 8, "tid": "a"}
             for k in range(3)]  # fmt: skip
    workshop = open_workshop(GatewayOptions(str(tmp_path)), Progress())
    message = delivery(
        "t", json.dumps(fixes).encode(), kind="telemetry", content_type="application/json"
    )
    Intake(workshop.queue.database).put([message])
    while work_once(workshop, owner_name(), 60.0):
        pass
    (found,) = read_landed_points(tmp_path, "telemetry", ["device", "time"])
    assert found.xy.tolist() == [[8, 47]] * 3
    assert len(set(found.columns["time"])) == 3


@pytest.mark.parametrize(
    ("place", "columns", "problem"),
    [
        ("landed/nobody", [], "nothing has landed there"),
        ("landed/roads", [], "1 features are no points, the first is a LineString"),
        ("landed/dots", ["user", "age"], "no feature has an attribute age"),
    ],
)
def test_what_cannot_be_read_as_points_is_told(landed, place, columns, problem):
    if place.endswith("dots") and not (landed / place).is_dir():
        land(landed, "dots", [feature(shapely.Point(1, 1), user="a")])
    with pytest.raises(SpecError, match=problem):
        list(read_landed_points(landed, place, columns))
