"""Masks: exact membership on and off borders, coverage, and what is refused."""

import pickle
from fractions import Fraction
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPoint, Point, Polygon, box

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import Mask, MaskSource
from synthgrid_assets.lattice.cells import CELL, CELL_LIMIT, Cells, Lattice

BAHAMAS = Path(__file__).parents[2] / "worlds" / "bahamas"
LATTICE = Lattice("EPSG:32617", (750000.0, 2610000.0), 500.0)
EXTENT = Cells(0, 0, 288, 384)
FAR = CELL_LIMIT * CELL - 1


def mask_of(*polygons):
    """A mask of polygons given as lists of integer rings, each ring without its last vertex."""
    rings = [[*ring, ring[0]] for rings in polygons for ring in rings]
    vertices = np.array([vertex for ring in rings for vertex in ring], np.int64)
    starts = np.cumsum([0, *(len(ring) for ring in rings)])
    owners = [number for number, rings in enumerate(polygons) for _ in rings]
    return Mask(vertices[:, 0], vertices[:, 1], starts, np.array(owners))


def contains(mask, points):
    x, y = np.array(points, np.int64).reshape(-1, 2).T
    return mask.contains(np.ascontiguousarray(x), np.ascontiguousarray(y))


@pytest.fixture(scope="module")
def bahamas():
    return MaskSource(BAHAMAS / "outline.geojson").load(LATTICE)


def save(path, geometry, crs="EPSG:32617"):
    geopandas.GeoDataFrame(geometry=geometry, crs=crs).to_file(path, engine="pyogrio")
    return MaskSource(path)


SQUARE = box(760000, 2620000, 770000, 2630000)
BOW = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize(
    ("geometry", "crs", "said"),
    [
        ([SQUARE], None, "no coordinate reference system"),
        ([SQUARE, LineString([(0, 0), (1, 1)])], "EPSG:32617", "feature 1 is a LineString"),
        ([Point(0, 0)], "EPSG:32617", "feature 0 is a Point"),
        ([MultiPoint([(0, 0), (1, 1)])], "EPSG:32617", "feature 0 is a MultiPoint"),
        ([SQUARE, None], "EPSG:32617", "feature 1 has no geometry"),
        ([BOW], "EPSG:32617", r"feature 0 is no valid polygon \(Self-intersection.*make_valid"),
        ([box(1e9, 0, 1e9 + 1, 1)], "EPSG:3857", "cannot be placed on the world's lattice"),
    ],
)
def test_what_is_no_mask_is_refused_by_name(tmp_path, geometry, crs, said):
    source = save(tmp_path / "m.gpkg", geometry, crs)
    with pytest.raises(SpecError, match=rf"m\.gpkg: .*{said}"):
        source.load(Lattice("EPSG:32617", (750000.0, 2610000.0), 0.5))


def test_missing_unreadable_and_empty_files_are_refused(tmp_path):
    with pytest.raises(SpecError, match="no such vector file"):
        MaskSource(tmp_path / "none.gpkg").load(LATTICE)
    (tmp_path / "text.gpkg").write_text("no polygons")
    with pytest.raises(SpecError, match="cannot be read as a vector file"):
        MaskSource(tmp_path / "text.gpkg").load(LATTICE)
    save(tmp_path / "m.gpkg", [SQUARE])
    with pytest.raises(SpecError, match=r"there is no layer 'lakes'; it has \['m'\]"):
        MaskSource(tmp_path / "m.gpkg", layer="lakes").load(LATTICE)
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(SpecError, match="holds no feature with a geometry"):
        MaskSource(empty).load(LATTICE)


def test_vertices_are_transformed_once_and_rounded_to_quanta(bahamas):
    """Oracle: geopandas reprojects the same file."""
    frame = geopandas.read_file(BAHAMAS / "outline.geojson").to_crs("EPSG:32617")
    expected = shapely.get_coordinates(frame.geometry.to_numpy())
    found = np.column_stack(LATTICE.coordinates(bahamas.x, bahamas.y))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= LATTICE.quantum


def test_membership_is_geos_away_from_the_border(bahamas):
    rng = np.random.default_rng(11)
    x, y = rng.integers(0, EXTENT.width * CELL, 50_000), rng.integers(0, 384 * CELL, 50_000)
    union = shapely.union_all(bahamas.polygons)
    expected = shapely.contains_xy(union, x / CELL, y / CELL)
    away = shapely.distance(shapely.points(x / CELL, y / CELL), union.boundary) > 1e-6
    assert away.sum() > 49_900
    assert 5_000 < expected.sum() < 45_000
    np.testing.assert_array_equal(bahamas.contains(x, y)[away], expected[away])


def test_the_order_of_points_changes_no_answer(bahamas):
    """Points of one cell together (the fast path) and each on its own."""
    rng = np.random.default_rng(12)
    x = np.repeat(rng.integers(0, 288, 400), 25) * CELL + rng.integers(0, CELL, 10_000)
    y = np.repeat(rng.integers(0, 384, 400), 25) * CELL + rng.integers(0, CELL, 10_000)
    order = rng.permutation(10_000)
    np.testing.assert_array_equal(
        bahamas.contains(x[order], y[order]), bahamas.contains(x, y)[order]
    )
    single = [bool(contains(bahamas, [(a, b)])[0]) for a, b in zip(x[:500], y[:500], strict=True)]
    assert single == bahamas.contains(x[:500], y[:500]).tolist()


def crossing_number(rings, x, y):
    """Exact rational arithmetic: edges that a ray to +x from just above (x, y) crosses."""
    odd = False
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if (y0 <= y) != (y1 <= y):
                at = x0 + Fraction((y - y0) * (x1 - x0), y1 - y0)
                odd ^= x < at
    return odd


NEAR = st.integers(-3 * CELL, 3 * CELL)
NEXT = ((1, 0), (-1, 0), (0, 1), (0, -1), (9, 5), (-9, -5), (5, -9), (-5, 9))
ON_BORDERS = st.builds(
    lambda n, beside: n * CELL // 2 + beside, st.integers(-4, 4), st.integers(-3, 3)
)
COORDINATE = st.one_of(NEAR, ON_BORDERS, st.integers(-FAR, FAR))
VERTEX = st.tuples(COORDINATE, COORDINATE)


@settings(max_examples=150, deadline=None)
@given(st.lists(VERTEX, min_size=3, max_size=7), st.data())
def test_membership_is_exact_on_vertices_edges_and_beside_them(ring, data):
    """Rings of any shape and size, also crossing themselves; points a few quanta away."""
    points = list(ring)
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        t = data.draw(st.fractions(0, 1, max_denominator=64))
        points.append((round(x0 + t * (x1 - x0)), round(y0 + t * (y1 - y0))))
    points += [(x + dx, y + dy) for x, y in points for dx, dy in NEXT]
    # cell by cell, from both ends: the answer of a cell without edges is carried on
    points = sorted(points, key=lambda point: (point[1] // CELL, point[0] // CELL, *point))
    points += points[::-1]
    expected = [crossing_number([ring], x, y) for x, y in points]
    assert contains(mask_of([ring]), points).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NEAR, NEAR), min_size=1, max_size=8), st.integers(0, 2**32))
def test_of_polygons_that_share_borders_each_point_is_in_exactly_one(sites, seed):
    """A fan of triangles around a point, cut out of a square: borders in every direction."""
    side = 4 * CELL
    corners = [(-side, -side), (side, -side), (side, side), (-side, side)]
    triangles = [[(-side, -side), (side, -side), (side, side), (-side, side)]]
    for site in sites:  # insert each site into the first triangle that strictly holds it
        for ring in triangles:
            if Polygon(ring).contains(Point(site)):
                pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
                parts = [[a, b, site] for a, b in pairs]
                if all(Polygon(part).area > 0 for part in parts):
                    triangles.remove(ring)
                    triangles += parts
                break
    rng = np.random.default_rng(seed)
    points = [vertex for ring in triangles for vertex in ring]
    for ring in triangles:
        for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
            steps = np.gcd(x1 - x0, y1 - y0)  # lattice points exactly on the edge
            points += [
                (x0 + (x1 - x0) // steps * k, y0 + (y1 - y0) // steps * k)
                for k in rng.integers(0, steps + 1, 5).tolist()
            ]
    points += [tuple(point) for point in rng.integers(-side, side, (50, 2)).tolist()]
    each = np.array([contains(mask_of([ring]), points) for ring in triangles])
    whole = contains(mask_of([corners]), points)
    np.testing.assert_array_equal(each.sum(axis=0), whole)
    together = mask_of(*([ring] for ring in triangles))
    np.testing.assert_array_equal(contains(together, points), whole)


def test_products_beyond_64_bits_are_exact():
    """Points one quantum beside an edge across the whole lattice."""
    ring = [(-FAR, -FAR), (FAR, FAR - 2), (-FAR, FAR)]
    points = [(x, x + d) for x in (-3, 0, 10**9, 10**13) for d in (-2, -1, 0, 1)]
    expected = [crossing_number([ring], x, y) for x, y in points]
    assert any(expected)
    assert not all(expected)
    assert contains(mask_of([ring]), points).tolist() == expected


def test_holes_are_outside_and_overlaps_inside():
    hole = [(CELL, CELL), (2 * CELL, CELL), (2 * CELL, 2 * CELL), (CELL, 2 * CELL)]
    shell = [(0, 0), (3 * CELL, 0), (3 * CELL, 3 * CELL), (0, 3 * CELL)]
    other = [(2 * CELL, 0), (5 * CELL, 0), (5 * CELL, CELL), (2 * CELL, CELL)]
    mask = mask_of([shell, hole], [other])
    assert mask.coverage(Cells(0, 0, 6, 3)).tolist() == [
        [1, 1, 1, 1, 1, 0],
        [1, 0, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
    ]
    centres = [(CELL * x + 5, CELL * y + 5) for y in range(3) for x in range(6)]
    np.testing.assert_array_equal(
        contains(mask, centres), mask.coverage(Cells(0, 0, 6, 3)).ravel() == 1
    )


def test_coverage_is_the_exact_area_of_each_cell():
    """Borders inside cells: horizontal, vertical and diagonal, over cells without a vertex."""
    h = CELL // 2
    slab = mask_of([[(0, h), (4 * CELL, h), (4 * CELL, 2 * CELL), (0, 2 * CELL)]])
    assert slab.coverage(Cells(0, 0, 4, 2)).tolist() == [[0.5] * 4, [1.0] * 4]
    upright = mask_of([[(h, 0), (CELL, 0), (CELL, 4 * CELL), (h, 4 * CELL)]])
    assert upright.coverage(Cells(0, 0, 2, 4)).tolist() == [[0.5, 0.0]] * 4
    half = mask_of([[(0, 0), (8 * CELL, 0), (8 * CELL, 4 * CELL)]])
    expected = [[0.25, 0.75, 1, 1], [0, 0, 0.25, 0.75]]
    np.testing.assert_allclose(half.coverage(Cells(0, 0, 4, 2)), expected, atol=1e-15)


def test_coverage_adds_up_to_the_area(bahamas):
    """Over all islands, in cells; GEOS' own area is the oracle."""
    around = Cells(-230, -570, 1220, 760)
    expected = shapely.area(shapely.union_all(bahamas.polygons))
    assert bahamas.coverage(around).sum() == pytest.approx(expected, rel=1e-11)


def test_coverage_is_what_random_points_say(bahamas):
    """64,000 points in 64 coastal cells; each share is missed with probability < 1e-7."""
    cells = Cells(48, 248, 56, 256)
    coverage = bahamas.coverage(cells)
    assert ((coverage > 0.05) & (coverage < 0.95)).sum() > 3
    rng = np.random.default_rng(13)
    iy, ix = np.divmod(np.repeat(np.arange(64), 1000), 8)
    x, y = ((i0 + i) * CELL + rng.integers(0, CELL, 64_000) for i0, i in ((48, ix), (248, iy)))
    share = bahamas.contains(x, y).reshape(64, 1000).mean(axis=1)
    p = coverage.ravel()
    # Bernstein's inequality at 1e-8 a cell, also for p near 0 and 1
    bound = np.sqrt(2 * p * (1 - p) * 18.5 / 1000) + 18.5 * 2 / 3000
    assert (np.abs(share - p) <= bound).all()
    np.testing.assert_array_equal(share[p == 0], 0)
    np.testing.assert_array_equal(share[p == 1], 1)


@settings(max_examples=25, deadline=None)
@given(x=st.integers(0, 280), y=st.integers(0, 380), w=st.integers(1, 50), h=st.integers(1, 50))
def test_any_request_gives_the_same_coverage(bahamas, x, y, w, h):
    whole = bahamas.coverage(Cells(0, 0, 350, 450))
    fresh = pickle.loads(pickle.dumps(bahamas)).coverage(Cells(x, y, x + w, y + h))
    np.testing.assert_array_equal(fresh, whole[y : y + h, x : x + w])


def test_emptiness_is_that_of_the_cells_asked_for(bahamas):
    assert bahamas.is_empty(Cells(1000, -4000, 1010, -3990))
    assert not bahamas.is_empty(EXTENT)
    sliver = mask_of([[(5, 5), (9, 5), (9, 9)]])
    assert not sliver.is_empty(Cells(0, 0, 1, 1))
    assert sliver.is_empty(Cells(1, 0, 9, 9))


def test_the_code_version_follows_bytes_layer_and_lattice(tmp_path):
    source = save(tmp_path / "m.gpkg", [SQUARE])
    version = source.code_version(LATTICE)
    assert version == MaskSource(tmp_path / "m.gpkg").code_version(LATTICE)
    assert version != source.code_version(Lattice(LATTICE.crs, (0.0, 0.0), 500.0))
    assert version != save(tmp_path / "m.gpkg", [SQUARE.buffer(1)]).code_version(LATTICE)


def test_a_shapefile_is_described_with_its_companions(tmp_path):
    source = save(tmp_path / "m.shp", [SQUARE])
    before = source.code_version(LATTICE)
    (tmp_path / "m.prj").write_text(
        geopandas.GeoSeries([], crs="EPSG:32618").crs.to_wkt("WKT1_ESRI")
    )
    assert source.code_version(LATTICE) != before
