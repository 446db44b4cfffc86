"""Worlds in Python: any box on the plane, the same rows as the committed tiles, no Dagster."""

from __future__ import annotations

import itertools
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
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets import World
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import GeometryError, SpecError, StorageError
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.products.density import array_key
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.small_world import small_spec, write_small_world

BAHAMAS = Path(__file__).parent.parent / "worlds" / "bahamas" / "bahamas.toml"
KINDS = ("points", "delaunay", "voronoi")
FAMILIES = (("points",), ("delaunay", "voronoi"), ("density",))
X, Y = 500_000.0, 5_400_000.0  # origin of the small world
CELL = 64.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.load(write_small_world(tmp_path_factory.mktemp("world")))


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The small world's tiles of cafes as workers made them, and their context."""
    folder = tmp_path_factory.mktemp("committed")
    spec, root = small_spec(folder), folder / "data"
    context = open_layer(spec, "cafes", root)
    with (
        EngineSession(Settings(workers=2), preload=PRELOAD) as session,
        Journal(context.layout) as journal,
    ):
        for names in FAMILIES:
            made = list(
                make_tiles(session, journal, context, products_named(*names), spec.world.tiling)
            )
            assert {type(outcome) for outcome in made} == {TileMade}
    return World(spec, root), context


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


@pytest.mark.parametrize(
    "asked",
    [
        "500000,5400000,501000,5401000",
        b"box",
        7.0,
        None,
        (X, Y, X + 1, "north"),
        (14.9, 48.7, 15.1, 48.9),  # where the small world lies, in degrees
        shapely.box(14.9, 48.7, 15.1, 48.9),
        shapely.Point(),
        geopandas.GeoSeries([shapely.box(X, Y, X + 9, Y + 9)]),  # of no CRS
        geopandas.GeoSeries([], crs="EPSG:32633"),
    ],
)
def test_what_is_no_box_or_in_degrees_is_refused(world, asked):
    with pytest.raises(GeometryError, match=r"bbox|CRS|without geometries"):
        world.layer("trees").points(asked)


def test_a_box_may_be_a_geometry_or_a_frame_in_any_crs(world):
    layer, box = world.layer("trees"), (X + 40.0, Y + 40.0, X + 700.0, Y + 600.0)
    asked = layer.points(box)
    assert len(asked) > 50
    frame = geopandas.GeoSeries([shapely.box(*box)], crs=world.crs)
    for same in (list(box), np.array(box), shapely.box(*box), frame, frame.to_frame("geometry")):
        assert layer.points(same).equals(asked)
    # longitudes and latitudes of the same corners: a box that holds it, a few metres wider
    wider = layer.points(frame.to_crs("EPSG:4326"))
    assert set(asked["id"]) <= set(wider["id"])


def test_a_layers_law_counts_in_metres(world):
    """Thomas with sigma in metres, by its closed form: Illian et al. (2008), section 6.3."""
    table = world.spec.layers["cafes"].parameters
    kappa, sigma = table["parents_per_km2"] / 1e6, table["sigma"]
    law, r = world.layer("cafes").law, np.array([0.0, 50.0, 200.0])
    assert law.intensity == pytest.approx(kappa * table["mean_offspring"])
    g = 1 + np.exp(-(r**2) / (4 * sigma**2)) / (4 * np.pi * sigma**2 * kappa)
    np.testing.assert_allclose(law.pair_correlation(r), g, rtol=1e-12)
    k = np.pi * r**2 + (1 - np.exp(-(r**2) / (4 * sigma**2))) / kappa
    np.testing.assert_allclose(law.k_function(r), k, rtol=1e-12)
    assert f"sigma={sigma}" in repr(law)
    assert "metres" in repr(law)


def test_a_world_is_loaded_by_its_name_as_on_the_command_line(tmp_path, monkeypatch):
    write_small_world(tmp_path)
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(tmp_path))
    assert World.load("small").name == "small"


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
        for x0, x1 in itertools.pairwise(xs)
        for y0, y1 in itertools.pairwise(ys)
        for row in rows(layer, kind, (x0, y0, x1, y1))
    ]
    assert sorted(parts) == sorted(rows(layer, kind, box))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_plane_does_not_end_at_the_extent(world, kind, sign):
    """Half-way to the lattice's end, 134,000 km from the origin."""
    layer, far = world.layer("cafes"), sign * 2**21 * CELL
    box = (X + far, Y - far, X + far + 2_000.0, Y - far + 1_600.0)
    found = rows(layer, kind, box)
    middle = box[0] + 512.0
    left, right = (box[0], box[1], middle, box[3]), (middle, *box[1:])
    assert sorted(rows(layer, kind, left) + rows(layer, kind, right)) == sorted(found)
    # 3.2 km2 hold 461 points in the mean, with a deviation of at most 78: P < 1e-8
    assert 0 < len(found) < (2 if kind == "delaunay" else 1) * 930


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
        for x0, x1 in itertools.pairwise(edges)
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


def test_coordinates_are_the_lattice_positions_in_canonical_order(world):
    points = world.layer("trees").points((X, Y, X + 600, Y + 600))
    x_q, y_q = points["x_q"].to_numpy(), points["y_q"].to_numpy()
    np.testing.assert_array_equal(points.geometry.x, X + x_q * (CELL / 2**22))
    np.testing.assert_array_equal(points.geometry.y, Y + y_q * (CELL / 2**22))
    order = np.lexsort((y_q, x_q, x_q >> 22, y_q >> 22))
    np.testing.assert_array_equal(order, np.arange(len(points)))


def path_of(context, kind, tile):
    return context.layout.root / context.layout.tile(context.dataset(kind), tile)


def plain(table):
    """The table with labels as text: a dictionary's order is the writer's business."""
    marks = {field.name for field in table.schema if pa.types.is_dictionary(field.type)}
    fields = [pa.field(f.name, pa.string() if f.name in marks else f.type) for f in table.schema]
    return table.replace_schema_metadata(None).cast(pa.schema(fields)).combine_chunks()


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_of_a_tile_gives_the_rows_that_its_file_holds(committed, kind):
    """Ids, coordinates, marks, areas and geometries, in the same order."""
    world, context = committed
    for tile in world.spec.world.tiling:
        stored = pq.read_table(path_of(context, kind, tile))
        asked = getattr(world.layer("cafes"), f"{kind}_table")(
            world.spec.world.lattice.bounds(tile.cells)
        )
        assert asked.num_rows > 0
        assert plain(asked).equals(plain(stored))


@pytest.mark.parametrize(
    ("kind", "key"), [("points", "id"), ("delaunay", "geometry"), ("voronoi", "site_id")]
)
def test_a_box_across_tiles_gives_the_rows_of_all_of_them(committed, kind, key):
    world, context = committed
    files = [path_of(context, kind, tile) for tile in world.spec.world.tiling]
    stored = pa.concat_tables(plain(pq.read_table(file)) for file in files)
    asked = plain(getattr(world.layer("cafes"), f"{kind}_table")(world.bounds))
    assert asked.take(np.argsort(asked[key].to_pylist())).equals(
        stored.take(np.argsort(stored[key].to_pylist()))
    )


@pytest.mark.parametrize("asset", KINDS)
def test_committed_rows_are_those_that_a_box_draws(committed, asset):
    world, _ = committed
    layer = world.layer("cafes")
    stored, drawn = layer.committed(asset), getattr(layer, asset)(world.bounds)
    key = {"points": "id", "delaunay": ["a", "b", "c"], "voronoi": "site_id"}[asset]
    stored, drawn = (f.sort_values(key).reset_index(drop=True) for f in (stored, drawn))
    assert list(stored.columns) == list(drawn.columns)
    assert stored.geometry.geom_equals_exact(drawn.geometry, 0).all()
    assert stored.crs == drawn.crs


def test_committed_points_of_a_box_are_those_in_it(committed):
    world, _ = committed
    box = (X + 100.0, Y + 100.0, X + 1_500.0, Y + 1_100.0)
    layer = world.layer("cafes")
    assert sorted(layer.committed(bbox=box)["id"]) == sorted(layer.points(box)["id"])


def test_what_is_not_committed_or_no_table_is_refused(committed):
    world, _ = committed
    with pytest.raises(StorageError, match="counts_release is committed"):
        world.layer("cafes").counts_release()
    with pytest.raises(SpecError, match="no asset 'cells'"):
        world.layer("cafes").committed("cells")
    with pytest.raises(SpecError, match="density"):
        world.layer("cafes").committed("density")


def test_density_counts_the_points_of_every_cell(world):
    """Against NumPy's histogram over the same edges."""
    layer, box = world.layer("cafes"), (X - 2 * CELL, Y + CELL, X + 14 * CELL, Y + 10 * CELL)
    density, points = layer.density(box), layer.points(box)
    assert density.dims == ("y", "x")
    assert density.rio.crs.to_epsg() == pyproj.CRS(world.crs).to_epsg()
    edges = [np.append(density[name] - CELL / 2, density[name][-1] + CELL / 2) for name in "yx"]
    counts, *_ = np.histogram2d(points.geometry.y, points.geometry.x, bins=edges)
    np.testing.assert_array_equal(density.to_numpy(), counts)
    assert density.sum() == len(points) > 30


def test_neighbours_of_a_box_are_those_of_its_cells(world):
    """Each focal cell touches its neighbours along the border whose length is the weight."""
    layer, box = world.layer("cafes"), (X, Y, X + 900.0, Y + 700.0)
    pairs = layer.cell_neighbours(box)
    cells = layer.voronoi(box).set_index("site_id")
    assert set(pairs["focal"]) == set(cells.index)
    degrees = pairs.groupby("focal").size()
    assert degrees.to_dict() == cells["n_neighbours"].to_dict()
    inside = pairs[pairs["neighbor"].isin(cells.index)]
    rings = (cells.geometry.loc[inside[name]].to_numpy() for name in ("focal", "neighbor"))
    borders = shapely.length(shapely.intersection(*rings, grid_size=1e-6))
    np.testing.assert_allclose(inside["weight"], borders, atol=1e-3)


def folder_of(context, kind):
    """Where the product's tiles lie, as a reader without this package finds them."""
    (folder,) = (context.layout.root / "small" / "cafes").glob(f"{kind}-*/w8")
    return folder


def test_duckdb_reads_the_committed_tiles(committed):
    world, context = committed
    files = f"{folder_of(context, 'points')}/*.parquet"
    stored = duckdb.sql(f"SELECT id, x_q, y_q, kind, seats FROM '{files}' ORDER BY id").fetchnumpy()
    asked = world.layer("cafes").points(world.bounds).sort_values("id")
    for name, column in stored.items():
        assert list(column) == list(asked[name])


@pytest.mark.parametrize("kind", KINDS)
def test_geopandas_reads_the_committed_tiles(committed, kind):
    world, context = committed
    frames = [geopandas.read_parquet(file) for file in folder_of(context, kind).glob("*.parquet")]
    assert {frame.crs for frame in frames} == {pyproj.CRS(world.crs)}
    asked = getattr(world.layer("cafes"), kind)(world.bounds)
    stored = {geometry.wkb for frame in frames for geometry in frame.geometry}
    assert stored == {geometry.wkb for geometry in asked.geometry}
    assert sum(map(len, frames)) == len(asked)


def test_xarray_reads_the_density_of_the_points(committed):
    world, context = committed
    data = xarray.open_zarr(
        context.layout.root / array_key(context), decode_coords="all", chunks=None
    )
    counts = data["density"]
    points = world.layer("cafes").points(world.bounds)
    assert counts.rio.crs.to_epsg() == 32633
    assert int(counts.where(counts >= 0).sum()) == len(points)
    x, y = (xarray.DataArray(v, dims="point") for v in (points.geometry.x, points.geometry.y))
    cells = [points["x_q"].to_numpy() >> 22, points["y_q"].to_numpy() >> 22]
    by_cell = points.groupby(cells)["id"].transform("size")
    np.testing.assert_array_equal(counts.sel(x=x, y=y, method="nearest"), by_cell)


BIGHT = (780_000.0, 2_700_000.0, 850_000.0, 2_770_000.0)  # shore, islets and land of Andros


@pytest.fixture(scope="module")
def bahamas(tmp_path_factory):
    """The world on public geography, read from its sources; nothing of it has been made."""
    return World.load(BAHAMAS, data=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def unthinned(tmp_path_factory):
    """The same world without its outline and its greenness."""
    text = BAHAMAS.read_text()
    for key in ('within = "land"\n', 'intensity = "greenness"\n'):
        text = text.replace(key, "")
    path = tmp_path_factory.mktemp("unthinned") / "bahamas.toml"
    path.write_text(text)
    for file in BAHAMAS.parent.glob("*.*"):
        if file.suffix in (".geojson", ".tif"):
            (path.parent / file.name).symlink_to(file)
    return World.load(path, data=path.parent)


@pytest.fixture(scope="module")
def outline():
    land = geopandas.read_file(BAHAMAS.parent / "outline.geojson").to_crs("EPSG:32617")
    whole = shapely.union_all(land.geometry)
    shapely.prepare(whole)
    return whole


def positions(points):
    return set(zip(points["x_q"], points["y_q"], strict=True))


def test_a_mask_keeps_exactly_the_points_inside_the_outline(bahamas, unthinned, outline):
    """By GEOS on projected coordinates; no point lies within a millimetre of the shore."""
    everywhere = unthinned.layer("sightings").points(BIGHT)
    assert not shapely.dwithin(outline.boundary, everywhere.geometry, 0.001).any()
    on_land = everywhere[shapely.contains(outline, everywhere.geometry)]
    assert 100 < len(on_land) < 0.9 * len(everywhere)
    assert positions(bahamas.layer("sightings").points(BIGHT)) == positions(on_land)


def test_a_surface_thins_by_its_values(bahamas, unthinned, outline):
    """Each point inside stays with probability value / maximum, by rasterio and PROJ."""
    everywhere = unthinned.layer("pines").points(BIGHT)
    on_land = everywhere[shapely.contains(outline, everywhere.geometry)]
    kept = positions(bahamas.layer("pines").points(BIGHT))
    assert kept < positions(on_land)
    stayed = np.array([position in kept for position in positions_in_order(on_land)])
    chance = greenness_at_cells(bahamas, on_land)
    assert not stayed[chance == 0].any()
    for chosen in (chance > 0, chance < np.median(chance), chance >= np.median(chance)):
        spread = np.sqrt((chance * (1 - chance))[chosen].sum())
        # 5.2 deviations: P = 2e-7 for each of the three
        assert abs(stayed[chosen].sum() - chance[chosen].sum()) < 5.2 * spread


def positions_in_order(points):
    return list(zip(points["x_q"], points["y_q"], strict=True))


def greenness_at_cells(world, points):
    """Bilinear value of the raster at the centre of each point's cell, over its maximum."""
    cell = world.spec.world.cell
    x0, y0 = world.spec.world.origin
    x = x0 + ((points["x_q"].to_numpy() >> 22) + 0.5) * cell
    y = y0 + ((points["y_q"].to_numpy() >> 22) + 0.5) * cell
    with rasterio.open(BAHAMAS.parent / "greenness.tif") as raster:
        values = raster.read(1, masked=True).filled(0).astype(float)
        x, y = pyproj.Transformer.from_crs(world.crs, raster.crs, always_xy=True).transform(x, y)
        column, row = ~raster.transform @ (x, y)
    column, row = column - 0.5, row - 0.5
    i, j = np.floor(row).astype(int), np.floor(column).astype(int)
    v, u = row - i, column - j
    return (
        (1 - v) * ((1 - u) * values[i, j] + u * values[i, j + 1])
        + v * ((1 - u) * values[i + 1, j] + u * values[i + 1, j + 1])
    ) / values.max()


@pytest.mark.parametrize("layer", ["pines", "sightings"])
def test_a_made_input_gives_the_same_points_as_its_source(bahamas, tmp_path, layer):
    box = (800_000.0, 2_720_000.0, 830_000.0, 2_735_000.0)
    for name in ("land", "greenness"):
        make_input(bahamas.spec, name, Layout(tmp_path))
    made = World(bahamas.spec, tmp_path).layer(layer).points_table(box)
    source = bahamas.layer(layer).points_table(box)
    assert source.num_rows > 20
    assert plain(made).equals(plain(source))


@pytest.mark.parametrize(
    "statement", ["import synthgrid_assets", "from synthgrid_assets import World"]
)
def test_the_package_imports_no_dagster(statement):
    code = f"{statement}; import sys; print('dagster' in {{n.split('.')[0] for n in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    path = write_small_world(tmp_path_factory.mktemp("plots"))
    tables = (
        'footprint = { shape = "rectangle", width = [8.0, 14.0], depth = 9.0 }\n'
        "parcels = { block = 3, points = 2 }\n"
    )
    text = path.read_text()
    assert text.count("points_per_km2 = 400.0\n") == 1
    path.write_text(text.replace("points_per_km2 = 400.0\n", f"points_per_km2 = 400.0\n{tables}"))
    return World.load(path)


BOX = (X - 100.0, Y + 110.0, X + 900.0, Y + 850.0)


def test_footprints_and_parcels_of_boxes_are_those_of_tiles(plots, tmp_path):
    """The rows that tiles have, chosen by geopandas; of boxes side by side each once."""
    layer = plots.layer("trees")
    context = open_layer(plots.spec, "trees", tmp_path)
    tiles = list(plots.spec.world.tiling)
    for name in ("footprints", "parcels"):
        (product,) = products_named(name)
        made = pa.concat_tables([product.rows(context, tile).table for tile in tiles])
        read = getattr(layer, name)
        found = read(BOX)
        known = geopandas.GeoDataFrame(
            made.drop_columns(["geometry", "bbox"]).to_pandas(),
            geometry=shapely.from_wkb(made["geometry"].to_numpy()),
            crs=plots.crs,
        )
        place = known.geometry.bounds
        at = place.minx, place.miny
        if name == "footprints":
            points = layer.points(plots.bounds).set_index("id").geometry[known["id"]]
            at = points.x.to_numpy(), points.y.to_numpy()
        inside = (at[0] >= BOX[0]) & (at[0] < BOX[2]) & (at[1] >= BOX[1]) & (at[1] < BOX[3])
        chosen = known[np.asarray(inside)].sort_values("id").reset_index(drop=True)
        assert len(found) == len(chosen) > 50
        assert_geodataframe_equal(found.sort_values("id").reset_index(drop=True), chosen)
        middle = X + 431.7
        halves = [read((*BOX[:2], middle, BOX[3])), read((middle, *BOX[1:]))]
        assert sorted(id for half in halves for id in half["id"]) == sorted(found["id"])


def test_parcels_from_a_block_before_a_box_cover_it(plots):
    west, south, east, north = BOX
    found = plots.layer("trees").parcels((west - 3 * CELL, south - 3 * CELL, east, north))
    assert shapely.box(*BOX).difference(found.union_all()).area < 1e-6


def test_a_layer_without_footprints_or_parcels_says_which_table_is_missing(plots):
    for name, key in (("footprints", "footprint"), ("parcels", "parcels")):
        with pytest.raises(SpecError, match=rf"no table {key}; .*\[layers.cafes.{key}\]"):
            getattr(plots.layer("cafes"), name)(BOX)
