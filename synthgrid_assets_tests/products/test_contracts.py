"""The contract of a product, for each that there is and for one that a stranger adds."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pyarrow as pa

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.keys import TILE_CHECK, layer_key
from synthgrid_assets.products.registry import PRODUCTS, products_named
from synthgrid_assets.testing.product_tests import ProductTests, registered
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.toys.nearest import EVERY, NEAR, NEAREST

STREETS = Path(__file__).parents[2] / "worlds" / "riverton_streets.geojson"
WORLD = SMALL.replace("extent = [-8, 0, 40, 48]", "extent = [-8, 0, 8, 16]")


class OfCafes(ProductTests):
    world, layer = WORLD, "cafes"


class TestPoints(OfCafes):
    (product,) = products_named("points")


class TestPointsOnLines(ProductTests):
    (product,) = products_named("points")
    layer = "shops"
    world = f"""
[world]
name = "lines"
seed = "points on lines"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [184, 184, 200, 200]
tile = 8

[inputs.streets]
vector = "{STREETS}"

[layers.shops]
process = "on_lines"
lines = "streets"
points_per_km = 40.0
clusters = {{ mean_offspring = 5.0, sigma = 90.0 }}
"""

    def damaged(self, rows: pa.Table) -> pa.Table:
        """With one point a metre farther along its line than it stands."""
        arc = rows["arc_m"].to_numpy().copy()
        arc[0] += 1.0
        return rows.set_column(rows.column_names.index("arc_m"), "arc_m", pa.array(arc))


class TestDelaunay(OfCafes):
    (product,) = products_named("delaunay")


class TestVoronoi(OfCafes):
    (product,) = products_named("voronoi")


class TestCellNeighbours(OfCafes):
    (product,) = products_named("cell_neighbours")

    def damaged(self, rows: pa.Table) -> pa.Table:
        """Without a pair whose counterpart stands in the same tile."""
        pairs = list(zip(rows["focal"].to_pylist(), rows["neighbor"].to_pylist(), strict=True))
        inside = next(i for i, (focal, other) in enumerate(pairs) if (other, focal) in pairs)
        return pa.concat_tables([rows.slice(0, inside), rows.slice(inside + 1)])


class TestFootprints(OfCafes):
    (product,) = products_named("footprints")
    world = (
        WORLD + "\n[layers.cafes.footprint]\n"
        'shape = "rectangle"\nwidth = [8.0, 14.0]\ndepth = 9.0\n'
    )


class TestTracks(OfCafes):
    (product,) = products_named("tracks")
    world = (
        WORLD + "\n[layers.cafes.tracks]\n"
        "start = 2026-01-05T08:00:00Z\nduration = 3600\nevery = 120\nrange = 900\n"
        "noise = { white = 3.0, drift = 4.0, outliers = 0.02, clock = 1.5 }\n"
        "gaps = { share = 0.1, length = 600 }\n"
    )


class TestParcels(OfCafes):
    (product,) = products_named("parcels")
    world = WORLD + "\n[layers.cafes.parcels]\nblock = 3\narea = 900.0\npoints = 4\n"


class TestDensity(OfCafes):
    (product,) = products_named("density")

    def damaged(self, rows: pa.Table) -> pa.Table:
        counts = rows["count"].to_numpy().copy()
        counts[-1] += 1
        return pa.table({"count": counts})


class TestAProductOfOneFile(OfCafes):
    product = NEAREST


def test_every_product_keeps_the_contract():
    """The private release draws once for all, so that its tests are of its own (`privacy`)."""
    tested = {kind.product.name for kind in OfCafes.__subclasses__()}
    assert tested == {*PRODUCTS, NEAREST.name} - {"counts_release"}


def test_a_run_of_dagster_makes_a_tile_of_a_product_of_one_file(tmp_path, monkeypatch):
    """Its step, its workers, its events and its tile's check."""
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    path = tmp_path / "small.toml"
    path.write_text(WORLD)
    key, tile = layer_key("small", "cafes", NEAREST.name), {"x": "+0000000_8", "y": "+0000008_8"}
    with registered(NEAREST), dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions([path]).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, partition_key=dg.MultiPartitionKey(tile), asset_selection=[key]
        )
        assert result.success
        assert instance.get_materialized_partitions(key) == {"+0000000_8|+0000008_8"}
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert {TILE_CHECK, NEAR, EVERY} <= set(checks)
    assert all(checks.values())
