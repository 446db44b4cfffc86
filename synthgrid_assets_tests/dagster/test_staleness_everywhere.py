"""What an edit leaves behind is one set: in Dagster's UI, on the map, and in `status`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.dagster.keys import FRESH_CHECK
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.dagster.served import STALE, asset_key, name_of, serving, wait_until
from synthgrid_assets_tests.services.viewer.served import ServedViewer
from synthgrid_assets_tests.small_world import SMALL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MADE = {f"{8 * column - 8:+08d}_8|{8 * row:+08d}_8" for column in (1, 2) for row in (2, 3)}
CORNER = "1:3,2:4"
TILES = 36
TREES = {"trees/points", "trees/density"}
DENSE = {"cafes/points", "cafes/density"}
JOINED = {"cafes/delaunay", "cafes/voronoi", "cafes/cell_neighbours"}
CAFES = {*DENSE, *JOINED, "cafes/counts_release"}
EDITS = {  # what is written instead of what, and which assets' tiles that leaves behind
    "epsilon": ("epsilon = 1.0", "epsilon = 0.5", {"cafes/counts_release"}),
    "sigma": ("sigma = 60.0", "sigma = 61.0", CAFES),
    "tile": ("tile = 8", "tile = 16", set()),  # tiles of another side are missing, not stale
    "mark": ("[4.0, 60.0]", "[4.0, 61.0]", {"cafes/points"}),
}


def write_raster(path, seed):
    """A relative intensity over the whole world; other seeds have other bytes of equal size."""
    values = np.random.default_rng(seed).uniform(0.2, 1.0, (12, 12)).astype(np.float32)
    facts = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:32633"}
    transform = from_origin(499_000, 5_404_000, 500, 500)
    with rasterio.open(path, "w", width=12, height=12, transform=transform, **facts) as opened:
        opened.write(values, 1)


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    path = tmp_path_factory.mktemp("raster") / "shade.tif"
    write_raster(path, 1)
    return path


@pytest.fixture(scope="module")
def text(raster):
    shaded = f'intensity = "shade"\n\n[inputs.shade]\nraster = "{raster}"\nmaximum = 1.0\n'
    return SMALL.replace("points_per_km2 = 400.0", f"points_per_km2 = 400.0\n{shaded}")


@pytest.fixture(scope="module")
def server(tmp_path_factory, text):
    """A clean instance in which four tiles of everything are made."""
    with serving(tmp_path_factory.mktemp("stale"), {"small": text}) as served:
        served.await_success(served.launch_region(world="small", tiles=CORNER))
        yield served


@pytest.fixture(scope="module")
def viewer(server):
    world = str(server.worlds / "small.toml")
    with ServedViewer(world=world, data=server.data) as served:
        yield served


def tiling(server):
    return load_spec(server.worlds / "small.toml").world.tiling


def in_graphql(server):
    """The tiles of each asset that Dagster calls stale."""
    tiles = [tile.key for tile in tiling(server)]
    keys = [asset_key(f"small/{name}") for name in sorted(TREES | CAFES)]
    nodes = server.ask(STALE, keys=keys, tiles=tiles)["assetNodes"]
    return {
        name_of(node).removeprefix("small/"): marked(tiles, node["staleStatusByPartition"], "STALE")
        for node in nodes
    }


def on_the_map(server, viewer):
    """The same, as a page is told that opens now."""
    tiles = [tile.key for tile in tiling(server)]
    states = next(viewer.events("small"))["states"]
    return {name: marked(tiles, letters, "S") for name, letters in states.items()}


def marked(tiles, states, stale):
    return {tile for tile, state in zip(tiles, states, strict=True) if state == stale}


def in_status(server):
    """How many tiles of each asset `synthgrid status` calls stale."""
    world = str(server.worlds / "small.toml")
    answer = CliRunner().invoke(
        app, ["status", world, "--json"], env={"SYNTHGRID_DATA": str(server.data)}
    )
    assert answer.exit_code == 0, (answer.output, answer.exception)
    return {f"{row['layer']}/{row['asset']}": row["stale"] for row in json.loads(answer.stdout)}


def compare(server, viewer, concerned):
    """Map, `status` and the check in the UI say of every tile what the design says."""
    server.reload()
    stale = {name: MADE if name in concerned else set() for name in TREES | CAFES}
    # the map looks at files and inputs every ten seconds, the sensor every thirty
    eventually(lambda: on_the_map(server, viewer), stale)
    assert in_status(server) == {name: len(found) for name, found in stale.items()}
    if len(tiling(server)) == TILES:
        eventually(lambda: in_checks(server), {name: name in concerned for name in stale})
    return stale


def eventually(look, expected):
    found = []

    def settled():
        found[:] = [look()]
        return found[0] == expected

    try:
        wait_until(settled, "an answer")
    except TimeoutError:
        assert found[0] == expected


def in_checks(server):
    """Whether each asset's check in the UI says that tiles are left behind."""
    latest = {
        name: server.evaluations(f"small/{name}", FRESH_CHECK)[0]["evaluation"]
        for name in TREES | CAFES
    }
    return {name: not evaluation["success"] for name, evaluation in latest.items()}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_world_file(server, viewer, text, edit):
    found, written, concerned = EDITS[edit]
    assert text.count(found) == 1
    path = server.worlds / "small.toml"
    path.write_text(text.replace(found, written))
    try:
        assert compare(server, viewer, concerned) == in_graphql(server)
    finally:
        path.write_text(text)
    assert compare(server, viewer, set()) == in_graphql(server)


def test_other_bytes_of_a_raster(server, viewer, raster):
    """Dagster's own marks follow one step at a time: the surface first, then what reads it."""
    write_raster(raster, 2)
    stale = compare(server, viewer, TREES)
    surface = "small/surface/shade"
    assert server.nodes(surface)[surface]["staleStatus"] == "STALE"
    assert not any(in_graphql(server).values())  # Dagster never looks further up than one step
    server.await_success(server.launch(assets=[surface]))
    assert server.nodes(surface)[surface]["staleStatus"] == "FRESH"
    assert compare(server, viewer, TREES) == in_graphql(server) == stale
    server.await_success(server.launch_region(world="small", tiles=CORNER, only="stale"))
    assert compare(server, viewer, set()) == in_graphql(server)


def test_what_is_made_again_makes_nothing_else_stale(server, viewer, text):
    """Points with another mark are other data; the cells of the same points are the same."""
    path = server.worlds / "small.toml"
    path.write_text(text.replace(*EDITS["mark"][:2]))
    assert compare(server, viewer, {"cafes/points"}) == in_graphql(server)
    choice = {"layers": ["cafes"], "assets": ["points"]}
    server.await_success(server.launch_region(world="small", tiles=CORNER, **choice))
    assert compare(server, viewer, set()) == in_graphql(server)
