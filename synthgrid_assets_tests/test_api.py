"""Worlds in Python: any box on the plane, the same rows as the committed tiles, no Dagster."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers the accessor)
import shapely
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets import World
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Settings
from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.products.density import store_path
from synthgrid_assets.products.making import PRELOAD, make_tiles
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.small_world import small_spec, write_small_world

WORLDS = Path(__file__).parent.parent / "worlds"
KINDS = ("points", "delaunay", "voronoi")
FAMILIES = (("points",), ("delaunay", "voronoi"), ("density",))
X, Y = 500_000.0, 5_400_000.0  # origin of the small world
CELL = 64.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.load(write_small_world(tmp_path_factory.mktemp("world")))


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The small world's tiles of cafes as workers made them: world, data root, workshop."""
    folder = tmp_path_factory.mktemp("committed")
    spec, root = small_spec(folder), folder / "data"
    workshop = Workshop.of(spec, "cafes", root)
    with (
        EngineSession(Settings(workers=2), preload=PRELOAD) as session,
        Journal(workshop.layout) as journal,
    ):
        for nouns in FAMILIES:
            assert not [
                outcome
                for outcome in make_tiles(session, journal, workshop, nouns, spec.world.tiling)
                if not hasattr(outcome, "receipts")
            ]
    return World(spec, root), root, workshop


@pytest.fixture(scope="module")
def bahamas():
    return World.load(WORLDS / "bahamas" / "bahamas.toml")


def rows(layer, kind, bbox):
    """Rows as a set of tuples: integers and bytes only."""
    table = getattr(layer, f"{kind}_table")(bbox)
    names = {
        "points": ["id", "x_q", "y_q", "kind", "seats", "geometry"],
        "delaunay": ["a", "b", "c", "geometry"],
        "voronoi": ["site_id", "n_neighbours", "area_m2", "geometry"],
    }[kind]
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bbox",
    [
        (X, Y, X, Y + 1),
        (X, Y + 1, X + 1, Y + 1),
        (X + 1, Y, X, Y + 1),
        (X, Y, np.nan, Y + 1),
        (X, Y, np.inf, Y + 1),
        (X, Y, 1e12, Y + 1),
        (X, Y, X + 1),
    ],
)
def test_a_box_that_is_empty_or_off_the_lattice_is_refused(world, bbox, kind):
    with pytest.raises(GeometryError, match=r"^(bbox|x coordinate)"):
        getattr(world.layer("cafes"), kind)(bbox)


def test_an_unknown_layer_is_refused_with_those_there_are(world):
    with pytest.raises(SpecError, match=r"'small' has no layer 'cafe'.*'trees', 'cafes'"):
        world.layer("cafe")


def test_a_world_file_is_refused_with_its_mistakes(tmp_path):
    with pytest.raises(SpecError, match=r"none\.toml: no such world file"):
        World.load(tmp_path / "none.toml")
    path = write_small_world(tmp_path)
    with pytest.raises(SpecError, match=r"world\.tle: unknown key") as refused:
        World.load(path, set={"world.tle": 8, "layers.cafes.tessellation.anchors": 99})
    assert "anchors: 99" in str(refused.value)


def test_overrides_change_the_world_and_not_the_file(tmp_path):
    path = write_small_world(tmp_path)
    before = path.read_text()
    assert World.load(path, set={"world.seed": "other"}).spec.world.seed == "other"
    assert path.read_text() == before
    assert World.load(path).spec.world.seed == tomllib.loads(before)["world"]["seed"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(data=st.data())
def test_the_parts_of_a_half_open_box_are_the_box(world, kind, data):
    """Cut anywhere, also exactly through points of the layer."""
    layer = world.layer("cafes")
    metres = st.floats(-2_000, 2_000, allow_nan=False)
    west, south = X + data.draw(metres), Y + data.draw(metres)
    box = (west, south, west + data.draw(st.floats(100, 900)), south + 700.0)
    points = layer.points(box).geometry
    through = st.sampled_from([0.5 * (box[0] + box[2]), *points.x.iloc[:5]])
    cut_x, cut_y = data.draw(through), data.draw(st.floats(box[1] + 1, box[3] - 1))
    xs, ys = sorted({box[0], cut_x, box[2]}), (box[1], cut_y, box[3])
    parts = [
        row
        for x0, x1 in zip(xs[:-1], xs[1:], strict=True)
        for y0, y1 in zip(ys[:-1], ys[1:], strict=True)
        for row in rows(layer, kind, (x0, y0, x1, y1))
    ]
    assert sorted(parts) == sorted(rows(layer, kind, box))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_plane_does_not_end_at_the_extent(world, kind, sign):
    """Half-way to the lattice's end, 134,000 km from the origin, across a cell of the box."""
    layer, far = world.layer("cafes"), sign * 2**21 * CELL
    box = (X + far, Y - far, X + far + 1_000.0, Y - far + 800.0)
    found = rows(layer, kind, box)
    middle = box[0] + 512.0
    left, right = (box[0], box[1], middle, box[3]), (middle, *box[1:])
    assert sorted(rows(layer, kind, left) + rows(layer, kind, right)) == sorted(found)
    # mean 0.8 km2 * 144 / km2 = 115; Thomas counts spread by 40: 6.5 deviations, P < 1e-9
    assert 0 < len(found) < (2 if kind == "delaunay" else 1) * 375


def test_the_ids_of_a_far_box_name_their_cells(world):
    points = world.layer("trees").points_table((X - 1e8, Y + 1e8, X - 1e8 + 500, Y + 1e8 + 500))
    ids, x_q, y_q = (points[name].to_numpy() for name in ("id", "x_q", "y_q"))
    assert ids.size == np.unique(ids).size > 50
    np.testing.assert_array_equal((ids >> 39) - 2**22, x_q >> 22)
    np.testing.assert_array_equal((ids >> 16 & (2**23 - 1)) - 2**22, y_q >> 22)


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_may_be_wider_than_exact_arithmetic_holds_at_once(world, kind):
    """More than 256 cells, for which local coordinates would pass 2**30 quanta."""
    layer, edges = world.layer("cafes"), [X - 13, X + 6_007.5, X + 12_100, X + 19_300]
    whole = rows(layer, kind, (edges[0], Y, edges[-1], Y + 130))
    parts = [
        row
        for x0, x1 in zip(edges[:-1], edges[1:], strict=True)
        for row in rows(layer, kind, (x0, Y, x1, Y + 130))
    ]
    assert len(whole) > 100
    assert sorted(parts) == sorted(whole)


def test_the_columns_are_those_of_the_design(world):
    box = (X, Y, X + 1_000, Y + 1_000)
    cafes = world.layer("cafes")
    columns = {
        "points": ["id", "x_q", "y_q", "kind", "seats", "geometry"],
        "delaunay": ["a", "b", "c", "geometry"],
        "voronoi": [
            *("site_id", "merged_ids", "area_m2", "n_neighbours", "anchor", "valid", "geometry"),
        ],
    }
    for kind, names in columns.items():
        frame = getattr(cafes, kind)(box)
        assert isinstance(frame, geopandas.GeoDataFrame)
        assert list(frame.columns) == names
        assert frame.crs == pyproj.CRS(world.crs)
        assert getattr(cafes, f"{kind}_table")(box).column_names == [*names, "bbox"]
        nothing = getattr(cafes, kind)((X + 1, Y + 1, X + 1.001, Y + 1.001))
        assert (len(nothing), list(nothing.columns), nothing.crs) == (0, names, frame.crs)
    assert dict(zip("abc", cafes.delaunay(box).dtypes, strict=False)) == dict.fromkeys("abc", "i8")
    assert cafes.voronoi(box).is_valid.all()


def test_coordinates_are_the_lattice_positions_in_the_crs(world):
    points = world.layer("trees").points((X, Y, X + 600, Y + 600))
    np.testing.assert_array_equal(points.geometry.x, X + points["x_q"] * (CELL / 2**22))
    np.testing.assert_array_equal(points.geometry.y, Y + points["y_q"] * (CELL / 2**22))
    order = np.lexsort((points["y_q"], points["x_q"], points["x_q"] >> 22, points["y_q"] >> 22))
    np.testing.assert_array_equal(order, np.arange(len(points)))


def test_a_box_of_a_tile_gives_the_rows_that_its_file_holds(committed):
    """Ids, coordinates, marks, areas and geometries, in the same order."""
    world, root, workshop = committed
    layer, spec = world.layer("cafes"), world.spec
    for kind in KINDS:
        dataset = workshop.dataset(kind)
        for tile in list(spec.world.tiling)[::5]:
            stored = pq.read_table(workshop.layout.tile(dataset, tile))
            asked = getattr(layer, f"{kind}_table")(spec.world.lattice.bounds(tile.cells))
            assert asked.num_rows > 0
            assert asked.select(stored.column_names).equals(stored)


def test_a_box_across_tiles_gives_the_union_of_their_rows(committed):
    world, root, workshop = committed
    layer = world.layer("cafes")
    for kind in KINDS:
        files = [
            workshop.layout.tile(workshop.dataset(kind), tile) for tile in world.spec.world.tiling
        ]
        tiles = pa.concat_tables([pq.read_table(file) for file in files])
        whole = getattr(layer, f"{kind}_table")(world.bounds)
        key = [(name, "ascending") for name in whole.column_names[:3] if name != "merged_ids"][:3]
        if kind == "voronoi":
            key = [("site_id", "ascending")]
        columns = [name for name in tiles.column_names if name != "bbox"]
        asked, stored = (
            table.sort_by(key).select(columns).combine_chunks().replace_schema_metadata(None)
            for table in (whole, tiles)
        )
        assert asked.equals(stored)


def test_geopandas_and_duckdb_read_the_committed_tiles(committed):
    world, root, workshop = committed
    pattern = str(
        workshop.layout.tile(workshop.dataset("points"), world.spec.world.tiling.at(0, 0)).parent
    )
    read = duckdb.sql(f"SELECT id, x_q, y_q, kind, seats FROM '{pattern}/*.parquet' ORDER BY id")
    asked = world.layer("cafes").points(world.bounds).sort_values("id")
    for name, column in read.fetchnumpy().items():
        assert list(column) == list(asked[name])
    frames = [geopandas.read_parquet(file) for file in Path(pattern).glob("*.parquet")]
    assert {frame.crs for frame in frames} == {pyproj.CRS(world.crs)}
    assert sum(map(len, frames)) == len(asked)
    for frame in frames:
        west, south, east, north = frame.total_bounds
        again = world.layer("cafes").points(
            (west, south, np.nextafter(east, np.inf), np.nextafter(north, np.inf))
        )
        assert set(frame["id"]) <= set(again["id"])


def test_xarray_reads_the_density_of_the_points(committed):
    world, root, workshop = committed
    data = xarray.open_zarr(store_path(workshop), decode_coords="all", chunks=None)
    counts = data["density"]
    points = world.layer("cafes").points(world.bounds)
    assert counts.rio.crs == pyproj.CRS(world.crs).to_wkt() or counts.rio.crs.to_epsg() == 32633
    assert float(counts.where(counts >= 0).sum()) == len(points)
    at_points = counts.sel(
        x=xarray.DataArray(points.geometry.x),
        y=xarray.DataArray(points.geometry.y),
        method="nearest",
    )
    by_cell = points.groupby([points["x_q"] >> 22, points["y_q"] >> 22])["id"].transform("size")
    np.testing.assert_array_equal(at_points, by_cell)


@pytest.mark.parametrize(
    "statement", ["import synthgrid_assets", "from synthgrid_assets import World"]
)
def test_the_package_imports_no_dagster(statement):
    code = (
        f"{statement}\nimport sys\nprint([n for n in sys.modules if n.split('.')[0] == 'dagster'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
