"""Landing in one process: every feature of a delivery is a row or a dead letter, once."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.bodies import Bodies
from synthgrid_assets.services.gateway.inbox.deliveries import Suspect
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.replay import Replays
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing import batch as batch_module
from synthgrid_assets.services.gateway.landing.collections import Collection, Collections
from synthgrid_assets.services.gateway.landing.geometries import GeometryLanding
from synthgrid_assets.services.gateway.landing.grids import OUTSIDE, WorldTiles, grid_of
from synthgrid_assets.services.gateway.landing.processes.chunk_size import (
    LARGEST,
    SMALLEST,
    AdaptiveChunk,
    is_throttled,
)
from synthgrid_assets.services.gateway.landing.processes.chunks import next_chunk
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.landing.staging import STAGING, publish
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets_tests.services.gateway.deliveries import delivery
from synthgrid_assets_tests.small_world import small_spec


def feature(n, geometry=None, **more):
    geometry = geometry or {"type": "Point", "coordinates": [n % 7 + 0.5, n % 3 + 0.5]}
    return {"type": "Feature", "id": n, "geometry": geometry, "properties": {"n": n}} | more


def collection(features, **more):
    return json.dumps({"type": "FeatureCollection", "features": list(features)} | more).encode()


BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}
OPEN_RING = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}


class Bench:
    """An inbox and one worker's tools, without processes."""

    def __init__(self, folder: Path, **changes) -> None:
        self.options = GatewayOptions(str(folder), **changes)
        self.workshop = open_workshop(self.options, Progress())
        self.intake = Intake(Database(self.options.database, INBOX))

    def put(self, *deliveries) -> list[str]:
        return [accepted.id for accepted in self.intake.put(deliveries)]

    def work(self) -> None:
        while work_once(self.workshop, owner_name(), 60.0):
            pass

    def land(self, body, **changes):
        (job,) = self.put(delivery(str(np.random.default_rng(len(body)).random()), body, **changes))
        self.work()
        return self.status(job)

    def status(self, job):
        return self.workshop.ledger.status(job)

    def letters(self, job=None):
        return [letter for _, letter in self.workshop.ledger.dead_letters(job)]

    @property
    def files(self) -> list[Path]:
        return sorted(Path(self.options.data).glob("landed/*/*/*.parquet"))

    def rows(self) -> list[dict]:
        return [
            row | {"partition": file.parent.name, "collection": file.parent.parent.name}
            for file in self.files
            for row in pq.read_table(file).to_pylist()
        ]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "data")
    made.put(delivery("warm", b""))  # nothing waits in later timings
    made.work()
    return made


def test_each_feature_lands_in_the_tile_of_its_centre(bench):
    features = [feature(n) for n in range(500)]
    status = bench.land(collection(features))
    assert status.state == "successful"
    assert status.result["counts"]["landed"] == 500
    rows = bench.rows()
    assert sorted(row["ordinal"] for row in rows) == list(range(500))
    assert Counter(row["partition"] for row in rows) == status.result["partitions"]
    grid = grid_of("WorldCRS84Quad:6")
    for row in rows:
        point = shapely.from_wkb(row["geometry"])
        assert [point.x, point.y] == features[row["ordinal"]]["geometry"]["coordinates"]
        assert grid.partitions(np.array([[point.x, point.y]])) == [row["partition"]]
        assert json.loads(row["properties"]) == {"n": row["ordinal"]}
        assert json.loads(row["feature_id"]) == row["ordinal"]
    body = collection(features)
    assert all(body[row["offset"] :].startswith(b'{"type": "Feature"') for row in rows)


def test_a_bad_feature_is_its_own_and_its_neighbours_land(bench):
    features = [feature(n) for n in range(6)]
    features[1]["geometry"] = OPEN_RING
    features[2]["geometry"] = {"type": "Point", "coordinates": [500, 1]}
    features[3]["geometry"] = None
    features[4]["geometry"] = BOW_TIE
    body = collection(features)
    status = bench.land(body)
    counts = status.result["counts"]
    assert (status.state, counts["features"]) == ("successful", 6)
    assert (counts["landed"], counts["rejected"]) == (4, 2)
    assert (counts["repaired"], counts["unlocated"]) == (1, 1)
    letters = {letter.ordinal: letter for letter in bench.letters(status.id)}
    assert {n: letter.reason for n, letter in letters.items()} == {
        1: "ring_not_closed",
        2: "out_of_bounds",
    }
    for n, letter in letters.items():
        assert json.loads(body[letter.offset : letter.offset + letter.length]) == features[n]
        assert json.loads(letter.data) == features[n]
        assert letter.feature_id == str(n)
    rows = {row["ordinal"]: row for row in bench.rows()}
    assert sorted(rows) == [0, 3, 4, 5]
    assert rows[3]["partition"] == "unlocated"
    assert "Self-intersection" in rows[4]["repaired"]
    assert shapely.from_wkb(rows[4]["geometry"]).is_valid


def test_half_a_collection_is_no_collection(bench):
    body = collection(feature(n) for n in range(2000))
    status = bench.land(body[: len(body) // 2])
    assert (status.state, bench.rows()) == ("failed", [])
    (letter,) = bench.letters(status.id)
    assert (letter.ordinal, letter.reason) == (-1, "truncated")
    assert status.result["fault"] == {"at": letter.at, "reason": "truncated"}
    assert list(Path(bench.options.data).glob(f"{STAGING}/*/*")) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "syntax"),
        (b"<html>", "syntax"),
        (b"5", "not_an_object"),
        (b"[1, 2]", "not_an_object"),
        (b'{"a": 1}', "member_missing"),
        (b'{"type": "Topology", "objects": {}}', "unknown_type"),
        (b"\xff\xfe{", "not_utf8"),
    ],
)
def test_a_body_that_is_no_geojson_fails(bench, body, reason):
    status = bench.land(body)
    assert (status.state, status.result["counts"]["rejected"]) == ("failed", 1)
    (letter,) = bench.letters(status.id)
    assert (letter.ordinal, letter.reason) == (-1, reason)


def test_a_single_feature_with_a_fault_of_its_own_is_a_rejection(bench):
    status = bench.land(json.dumps(feature(0, OPEN_RING)).encode())
    assert status.state == "successful"
    assert [letter.ordinal for letter in bench.letters(status.id)] == [0]


def test_a_sequence_lands_all_but_its_bad_lines(bench):
    lines = [json.dumps(feature(n)).encode() for n in range(5)]
    lines[2] = b'{"type": "Feature", "geometry": {'
    for body in (b"\n".join(lines), b"".join(b"\x1e" + line + b"\n" for line in lines)):
        status = bench.land(body, content_type="application/geo+json-seq")
        assert status.result["counts"]["landed"] == 4
        assert [letter.ordinal for letter in bench.letters(status.id)] == [2]


@pytest.mark.parametrize(
    "body",
    [feature(0), feature(0)["geometry"], {"type": "FeatureCollection", "features": [feature(0)]}],
    ids=["feature", "geometry", "collection"],
)
@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("in_file", [False, True])
def test_bodies_of_every_kind_land(bench, tmp_path, body, encoding, in_file):
    data = json.dumps(body).encode()
    data = gzip.compress(data, mtime=0) if encoding else data
    changes = {"encoding": encoding}
    if in_file:
        (tmp_path / "a.body").write_bytes(data)
        changes |= {"data": None, "path": str(tmp_path / "a.body")}
    (job,) = bench.put(replace(delivery("k", data), **changes))
    bench.work()
    assert bench.status(job).result["counts"]["landed"] == 1
    assert not (tmp_path / "a.body").exists()  # nobody needs it any more


def test_many_small_deliveries_share_files_and_lose_nothing(bench):
    sent = {}
    for n in range(40):
        bad = n % 8 == 3
        features = [feature(n * 10 + k) for k in range(5)]
        if n % 5 == 2:
            features[1]["geometry"] = OPEN_RING
        body = collection(features)
        (job,) = bench.put(delivery(str(n), body[:-1] if bad else body))
        sent[job] = (bad, n % 5 == 2)
    bench.work()
    rows = Counter(row["job"] for row in bench.rows())
    for job, (bad, one) in sent.items():
        counts = bench.status(job).result["counts"]
        assert rows[job] == counts["landed"] == (0 if bad else 4 if one else 5)
        assert len(bench.letters(job)) == (1 if bad else int(one))
    assert len(bench.files) < 20


def test_what_landed_is_read_by_geopandas_and_duckdb(bench):
    bench.land(collection([feature(n) for n in range(30)] + [feature(30, BOW_TIE)]))
    pattern = str(Path(bench.options.data) / "landed" / "parcels" / "*" / "*.parquet")
    found = duckdb.sql(f"select count(*), count(distinct ordinal) from '{pattern}'").fetchall()
    assert found == [(31, 31)]
    frames = [geopandas.read_parquet(file) for file in bench.files]
    assert sum(map(len, frames)) == 31
    assert {frame.crs.to_authority() for frame in frames} == {("OGC", "CRS84")}
    assert {kind for frame in frames for kind in frame.geom_type} == {"Point", "MultiPolygon"}
    facts = pq.read_schema(bench.files[0]).metadata
    assert facts[b"synthgrid:collection"] == b"parcels"
    assert json.loads(facts[b"synthgrid:correlations"])


def test_an_old_crs_member_behind_the_features_is_believed(bench):
    utm = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    spot = {"type": "Point", "coordinates": [500000.0, 5200000.0]}
    status = bench.land(collection([feature(0, spot)], crs=utm))
    assert status.state == "successful", status.error
    (row,) = bench.rows()
    point = shapely.from_wkb(row["geometry"])
    assert (round(point.x, 6), round(point.y, 2)) == (9.0, 46.95)


def test_a_lost_lease_leaves_nothing_to_be_seen(bench, monkeypatch):
    (job,) = bench.put(delivery("k", collection([feature(0)])))
    land = GeometryLanding.land

    def slow(self, lease, suspects, sink):
        thief = bench.workshop.queue
        monkeypatch.setattr(thief, "_clock", lambda: lease.received + 3600)
        assert thief.claim("thief", ["geometries"], seconds=60.0)
        monkeypatch.setattr(GeometryLanding, "land", land)
        return land(self, lease, suspects, sink)

    monkeypatch.setattr(GeometryLanding, "land", slow)
    work_once(bench.workshop, owner_name(), 60.0)
    assert (bench.rows(), bench.status(job).state) == ([], "running")
    assert list(Path(bench.options.data).glob(f"{STAGING}/*/*")) == []


def test_a_kill_between_record_and_publication_delays_and_loses_nothing(bench, monkeypatch):
    class KilledError(BaseException):
        pass

    def killed(*args, **kwargs):
        raise KilledError

    monkeypatch.setattr(batch_module, "publish", killed)
    (job,) = bench.put(delivery("k", collection(feature(n) for n in range(9))))
    with pytest.raises(KilledError):
        bench.work()
    assert (bench.status(job).state, bench.rows()) == ("successful", [])
    assert bench.workshop.ledger.fragments() == []
    ledger = bench.workshop.ledger
    waiting = ledger.counts()["files_waiting"]
    blocked = bench.workshop.store.path("landed")  # a file where the folder is to be
    blocked.touch()
    assert publish(bench.workshop.store, ledger) == 0
    blocked.unlink()
    placed = publish(bench.workshop.store, ledger)
    assert (placed, ledger.counts()["files_waiting"]) == (waiting, 0)
    assert placed == len(bench.files) == len(bench.workshop.ledger.fragments())
    assert len(bench.rows()) == 9
    assert publish(bench.workshop.store, bench.workshop.ledger) == 0
    for told in bench.workshop.ledger.fragments():
        assert pq.read_table(Path(bench.options.data) / told["path"]).num_rows == told["rows"]


@given(
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 4096)), max_size=4),
    st.integers(1, 5000),
)
def test_chunks_cover_a_body_once_and_never_reach_into_a_suspect(n, ranges, usual):
    suspects, at = [], 0
    for gap, size in ranges:
        suspects.append(Suspect(at + gap, size, "timed_out", 1))
        at += gap + size
    place = 0
    for _ in range(20_000):
        if place >= n:
            break
        size = next_chunk(place, suspects, usual)
        assert size >= 1
        for item in suspects:
            inside = item.first <= place < item.first + item.size
            if inside:
                assert place + size <= item.first + item.size
                assert size <= max(item.size // 16, 1)
            else:
                assert place >= item.first + item.size or place + size <= item.first
        place += size
    assert place >= n


def test_a_culprit_is_found_in_a_few_attempts_and_its_neighbours_land(bench, monkeypatch):
    """A feature that ends every worker: here by an error, the processes' test kills."""
    take = GeometryLanding._add

    def poisoned(self, delivery, batch, landed):
        if any('"n": 3333' in (text or "") for text in batch.properties.to_pylist()):
            raise ZeroDivisionError("poison")
        take(self, delivery, batch, landed)

    monkeypatch.setattr(GeometryLanding, "_add", poisoned)
    monkeypatch.setattr(bench.workshop.queue.policy.__class__, "wait", lambda self, n: 0.0)
    bench.workshop.chunk._features = 4096
    (job,) = bench.put(delivery("k", collection(feature(n) for n in range(5000))))
    attempts = 0
    while bench.status(job).finished is None:
        work_once(bench.workshop, owner_name(), 60.0)
        attempts += 1
        assert attempts < 12
    assert attempts <= 6
    status = bench.status(job)
    assert (status.state, status.result["counts"]["landed"]) == ("successful", 4999)
    (letter,) = bench.letters(job)
    assert (letter.ordinal, letter.feature_id, letter.reason) == (3333, "3333", "error")
    assert len({row["ordinal"] for row in bench.rows()}) == 4999 == len(bench.rows())


def test_a_job_that_gets_nowhere_is_a_dead_letter_and_can_be_replayed(bench, monkeypatch):
    land = GeometryLanding.land

    def broken(self, lease, suspects, sink):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(GeometryLanding, "land", broken)
    monkeypatch.setattr(bench.workshop.queue.policy.__class__, "wait", lambda self, n: 0.0)
    (job,) = bench.put(delivery("k", collection(feature(n) for n in range(3))))
    for _ in range(12):
        work_once(bench.workshop, owner_name(), 60.0)
    assert bench.status(job).state == "failed"
    assert [letter.reason for letter in bench.letters(job)] == ["gave_up"]
    monkeypatch.setattr(GeometryLanding, "land", land)  # the fix
    database = Database(bench.options.database, INBOX)
    new = Replays(database, Bodies(bench.options.bodies, database)).replay(job)
    bench.work()
    assert bench.status(new).result["counts"]["landed"] == 3
    assert bench.letters(job) == []


def test_rejected_features_are_replayed_together_once(bench, tmp_path):
    features = [feature(n, OPEN_RING if n % 3 == 1 else None) for n in range(9)]
    status = bench.land(collection(features))
    assert status.result["counts"]["rejected"] == 3
    database = Database(bench.options.database, INBOX)
    replays = Replays(database, Bodies(bench.options.bodies, database))
    new = replays.replay(status.id)
    bench.work()
    again = bench.status(new)
    assert again.result["counts"]["rejected"] == again.result["counts"]["features"] == 3
    assert again.correlation == status.correlation
    assert [letter.feature_id for letter in bench.letters(new)] == ["1", "4", "7"]
    with pytest.raises(Exception, match="no dead letters"):
        replays.replay(status.id)


def test_what_lies_outside_a_collections_box_is_left_out_and_counted(tmp_path):
    (tmp_path / "c.toml").write_text("[collections.parcels]\nbbox = [0.0, 0.0, 3.0, 9.0]\n")
    bench = Bench(tmp_path / "data", collections=tmp_path / "c.toml")
    status = bench.land(collection(feature(n) for n in range(7)))
    counts = status.result["counts"]
    assert (counts["landed"], counts["outside"], counts["features"]) == (3, 4, 7)
    assert {row["ordinal"] for row in bench.rows()} == {0, 1, 2}


@pytest.mark.parametrize(("keep", "left"), [("first", {0, 2, 4}), ("last", {1, 3, 4})])
def test_equal_features_of_a_delivery_land_once(tmp_path, keep, left):
    rule = f"deduplicate = {{ tolerance = 0.01, keep = '{keep}' }}"
    (tmp_path / "c.toml").write_text(f"[collections.parcels]\n{rule}\n")
    bench = Bench(tmp_path / "data", collections=tmp_path / "c.toml")
    spots = [[1.0, 1.0], [1.001, 1.0], [2.0, 2.0], [2.0, 2.001], [3.0, 3.0]]
    features = [feature(n, {"type": "Point", "coordinates": spot}) for n, spot in enumerate(spots)]
    counts = bench.land(collection([*features, feature(5) | {"geometry": None}])).result["counts"]
    assert (counts["landed"], counts["duplicates"], counts["features"]) == (4, 2, 6)
    assert {row["ordinal"] for row in bench.rows()} == left | {5}


def test_a_world_splits_by_its_own_tiles(tmp_path):
    spec = small_spec(tmp_path)
    grid, lattice = WorldTiles(spec), spec.world.lattice
    for tile in list(spec.world.tiling)[:: max(len(spec.world.tiling) // 7, 1)]:
        west, south, _, _ = tile.cells.quanta()
        corner = np.array([west, west + CELL // 2]), np.array([south, south + CELL // 2])
        xy = np.column_stack(lattice.coordinates(*corner))
        assert grid.partitions(xy) == [f"{tile.x_key}.{tile.y_key}"] * 2
    far = np.array([[0.0, 0.0], [1e12, 0.0]])
    assert grid.partitions(far) == [OUTSIDE] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[collections.'a/b']\n", "cannot be a folder; a name is"),
        ("[collections.a]\ngrid = 'world:none'\n", r"grid: grid 'world:none'.*SYNTHGRID_WORLDS"),
        ("[collections.a]\ngrid = 'none'\n", "no grid is called"),
        ("[collections.a]\ngrid = 'WorldCRS84Quad:99'\n", "too fine"),
        ("[collections.a]\nwrong = 1\n", "wrong"),
        ("[collections.a]\ndeduplicate = { tolerance = 0 }\n", "tolerance"),
        ("nothing", "cannot be read"),
        ("", "collections"),
    ],
)
def test_a_wrong_file_of_collections_is_told(tmp_path, text, problem):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(SpecError, match=problem):
        Collections(tmp_path / "c.toml")
    assert Collections(None).find("../x") is None
    assert Collections(None).find("x") == Collection()


@given(st.lists(st.floats(1e-5, 20.0), min_size=1, max_size=60))
def test_a_chunk_size_stays_in_bounds_and_follows_time(seconds):
    chunk = AdaptiveChunk(throttled=lambda: False)
    for value in seconds:
        before = chunk.features
        after = chunk.update(value, before)
        assert SMALLEST <= after <= min(LARGEST, 2 * before) or after == SMALLEST
        if value > 2 * 0.25:
            assert after < before or after == SMALLEST


def test_a_throttled_processor_gets_half(tmp_path):
    chunk = AdaptiveChunk(throttled=lambda: True)
    cool = AdaptiveChunk(throttled=lambda: False)
    assert chunk.update(0.1, 200) * 2 == cool.update(0.1, 200)
    assert not is_throttled(tmp_path)
    frequency = tmp_path / "devices/system/cpu/cpu0/cpufreq"
    frequency.mkdir(parents=True)
    (frequency / "cpuinfo_max_freq").write_text("2000000\n")
    (frequency / "scaling_cur_freq").write_text("600000\n")
    assert is_throttled(tmp_path)
    (frequency / "scaling_cur_freq").write_text("1900000\n")
    assert not is_throttled(tmp_path)
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("81000\n")
    assert is_throttled(tmp_path)
