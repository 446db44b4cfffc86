"""Replay: what devices reported arrives at a gateway, each fix once, also after trouble."""

from __future__ import annotations

import http.server
import json
import math
import threading
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.errors import GatewayError
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.replay import batches, read_track, replay
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.services.gateway.served import Served, options_in
from synthgrid_assets_tests.small_world import SMALL

WORLD = (
    SMALL.replace("extent = [-8, 0, 40, 48]", "extent = [0, 0, 16, 16]")
    + """
[layers.people]
process = "poisson"
points_per_km2 = 40.0

[layers.people.tracks]
start = 2026-01-05T08:00:00Z
duration = 600
every = 20
range = 500
noise = { white = 3.0, clock = 0.4 }
gaps = { share = 0.1, length = 60 }
"""
)


@pytest.fixture
def world(tmp_path, monkeypatch):
    path, data = tmp_path / "small.toml", tmp_path / "data"
    path.write_text(WORLD)
    monkeypatch.setenv("SYNTHGRID_DATA", str(data))
    spec = load_spec(path)
    context = open_layer(spec, "people", data)
    with Journal(context.layout) as journal:
        for tile in spec.world.tiling:
            journal.record(make_tile(context.job, products_named("tracks"), tile.key))
    return path


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_every_fix_lands_once_where_and_when_it_was(world, tmp_path):
    track = read_track(load_spec(world), tmp_path / "data", "people")
    assert (np.diff(track.time) >= 0).all()
    with Served(options_in(tmp_path / "gateway")) as served:
        workshop = open_workshop(served.options, Progress())
        address = "http://{}:{}".format(*served.address)
        for _ in range(2):  # what was sent again is kept once
            assert (
                f"{len(track):,} fixes"
                in run(world, "--layer", "people", "--to", address, "--rate", "max").stdout
            )
        while work_once(workshop, owner_name(), 60.0):
            pass
    files = Path(served.options.data).glob("telemetry/*/*.parquet")
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert len(rows) == len(track) > 500
    landed = {(row["device"], round(row["time"].timestamp() * 1e6)): row for row in rows}
    assert len(landed) == len(track)
    for k in range(0, len(track), 37):
        row = landed[f"small/{track.device[k]}", int(track.time[k])]
        assert (row["lon"], row["lat"]) == pytest.approx((track.lon[k], track.lat[k]), abs=1e-7)


@pytest.mark.slow
def test_a_million_fixes_arrive_exactly(tmp_path):
    """Every device, time and place of 10^6 fixes, landed as sent: a clock's ties included."""
    crowd = WORLD.replace("points_per_km2 = 40.0", "points_per_km2 = 660.0")
    path = tmp_path / "small.toml"
    path.write_text(crowd.replace("duration = 600", "duration = 36000"))
    spec, data = load_spec(path), tmp_path / "data"
    context = open_layer(spec, "people", data)
    with Journal(context.layout) as journal:
        for tile in spec.world.tiling:
            journal.record(make_tile(context.job, products_named("tracks"), tile.key))
    track = read_track(spec, data, "people")
    assert len(track) > 1_000_000
    with Served(options_in(tmp_path / "gateway")) as served:
        workshop = open_workshop(served.options, Progress())
        sent = replay(track, "small", "http://{}:{}".format(*served.address))
        while work_once(workshop, owner_name(), 600.0):
            pass
    assert sent.fixes == len(track)
    files = sorted(Path(served.options.data).glob("telemetry/*/*.parquet"))
    names = ["device", "time", "lon", "lat"]
    landed = pa.concat_tables([pq.read_table(file, columns=names) for file in files])
    micros = landed["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    device = np.array([int(name.removeprefix("small/")) for name in landed["device"].to_pylist()])
    here, there = np.lexsort((micros, device)), np.lexsort((track.time, track.device))
    np.testing.assert_array_equal(device[here], track.device[there])
    np.testing.assert_array_equal(micros[here], track.time[there])
    for name, own in (("lon", track.lon), ("lat", track.lat)):
        np.testing.assert_array_equal(landed[name].to_numpy()[here], own[there].round(7))


class Moody(http.server.BaseHTTPRequestHandler):
    """Answers each message with 503, then by hanging up, then with 202."""

    mood, taken = 0, []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Moody.mood += 1
        if Moody.mood % 3 == 2:
            self.close_connection = True
            return
        if Moody.mood % 3 == 0:
            Moody.taken.append(body)
        self.send_response(202 if Moody.mood % 3 == 0 else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_gateway_in_trouble_gets_each_message_again_in_order(world, tmp_path):
    track = read_track(load_spec(world), tmp_path / "data", "people")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        told = []
        sent = replay(track, "small", url, refused=told.append)
        server.shutdown()
    assert sent.fixes == len(track)
    assert sent.retries == 2 * sent.requests
    assert len(told) == sent.requests  # once each, when it is first repeated
    assert all(url in said for said in told)
    lines = b"".join(Moody.taken).splitlines()
    assert [json.loads(line)["properties"]["fix"] for line in lines] == track.fix.tolist()


def test_a_message_that_is_refused_ends_the_replay_with_the_reason(world, tmp_path):
    class Refuses(Moody):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(401, "no token")

    track = read_track(load_spec(world), tmp_path / "data", "people")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(GatewayError, match="refuses the fixes with 401"):
            replay(track, "small", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_batches_hold_every_fix_once_at_any_rate():
    time = np.sort(np.random.default_rng(1).integers(0, 10**9, 5000))
    for rate in (1.0, 100.0, math.inf):
        ranges = list(batches(time, rate))
        assert [start for start, _ in ranges[1:]] == [stop for _, stop in ranges[:-1]]
        assert (ranges[0][0], ranges[-1][1]) == (0, 5000)
        for start, stop in ranges:
            assert time[stop - 1] - time[start] < 1e6 * rate


def test_moving_features_are_read_by_gdal(world, tmp_path):
    target = tmp_path / "tracks.json"
    run(world, "--layer", "people", "--mf-json", target)
    features = json.loads(target.read_text())["features"]
    track = read_track(load_spec(world), tmp_path / "data", "people")
    assert len(features) == np.unique(track.device).size
    assert sum(len(one["temporalGeometry"]["datetimes"]) for one in features) == len(track)
    assert geopandas.read_file(target).shape[0] == len(features)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("--layer", "people"), "give one of --to URL and --mf-json"),
        (("--layer", "cafes", "--to", "http://127.0.0.1:9"), "layers with: people"),
        (("--layer", "people", "--to", "ftp://x"), "no gateway's address"),
        (("--layer", "people", "--to", "http://x", "--rate", "0x"), "above 0"),
        (("--layer", "people", "--to", "http://x", "--rate", "fast"), "or max"),
    ],
)
def test_what_is_wrong_is_told(world, given, found):
    assert found in run(world, *given, code=2).stderr.replace("\n", " ")
