"""Footprints and parcels as zones of other layers: shapely's answers, known areas, any tiling."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from synthgrid_assets.inputs.masks import Mask
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.shapes.footprint_table import AnyFootprint, RectangleTable, span
from synthgrid_assets.processes.shapes.polygons import PolygonIndex, Polygons, covered
from synthgrid_assets.products.footprints.footprints import FOOTPRINTS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.parcels.parcels import PARCELS
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.world.samplers import is_resolved
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets.world.versions import asset_version
from synthgrid_assets_tests.reports.committed_world import commit

WORLD = """
[world]
name = "zoned"
seed = "zones of layers"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [-8, 0, 24, 32]
tile = 8

[layers.houses]
process = "matern_ii"
candidates_per_km2 = 900.0
radius = 30.0
footprint = { shape = "rectangle", width = [8.0, 24.0], depth = 15.0 }
parcels = { block = 5, points = 3, area = 9000.0 }

[layers.crowns]
process = "thomas"
parents_per_km2 = 60.0
mean_offspring = 9.0
sigma = 20.0
footprint = { shape = "circle", radius = [3.0, 12.0] }

[layers.residents]
process = "poisson"
points_per_km2 = 9000.0
within = "houses/footprints"

[layers.leaves]
process = "poisson"
points_per_km2 = 9000.0
within = "crowns/footprints"

[layers.cats]
process = "thomas"
parents_per_km2 = 60.0
mean_offspring = 8.0
sigma = 40.0
near = { layer = "houses/footprints", within = 20.0, beyond = 3.0 }

[layers.hedges]
process = "poisson"
points_per_km2 = 9000.0
near = { layer = "houses/parcels", within = 2.0 }

[layers.gardens]
process = "poisson"
points_per_km2 = 2000.0
within = "houses/occupied_parcels"
near = { layer = "houses/footprints", beyond = 1.0 }

[layers.trips]
process = "poisson"
points_per_km2 = 9000.0
join = { zones = "houses/footprints", selectivity = 0.2 }

[layers.trips.contract]
share_in_zones = { zones = "houses/footprints", least = 0.17, most = 0.23 }
"""
REGION = Cells(-8, 0, 24, 32)


def spec_of(folder, *changes, **world):
    text = WORLD
    for found, written in changes:
        assert found in text
        text = text.replace(found, written, 1)
    path = folder / "zoned.toml"
    path.write_text(text)
    return load_spec(path, {f"world.{key}": value for key, value in world.items()})


def context_of(folder, layer, *changes, **world):
    return open_layer(spec_of(folder, *changes, **world), layer, folder / "data")


def polygons(folder, layer, product, around=4):
    """What the product itself says, also around the region: as shapely's, in metres."""
    wide = REGION.grown(around)
    context = context_of(folder, layer, extent=list(wide), tile=wide.width)
    rows = [product.rows(context, tile).table for tile in context.spec.world.tiling]
    table = pa.concat_tables(rows)
    found = shapely.from_wkb(table["geometry"].to_numpy())
    return (found, table["points"].to_numpy()) if product is PARCELS else found


def places(folder, layer, *changes):
    """The layer's points in the region, in metres, and which points they are."""
    context = context_of(folder, layer, *changes)
    points = context.sampler.points(REGION)
    x, y = context.lattice.coordinates(points.x, points.y)
    return shapely.points(x, y), points.birth


def kept_of(folder, layer, key):
    """All points of a layer that has no such key, and which of them the key keeps."""
    every, births = places(folder, layer, (key, ""))
    kept = np.isin(births, places(folder, layer)[1])
    assert 30 < kept.sum() < kept.size - 30
    return every, kept


def inside_of(shapes, points):
    found = np.zeros(points.size, bool)
    found[shapely.STRtree(shapes).query(points, predicate="within")[0]] = True
    return found


@pytest.mark.parametrize(("layer", "zones"), [("residents", "houses"), ("leaves", "crowns")])
def test_points_stay_that_lie_in_footprints_by_shapely(tmp_path, layer, zones):
    every, kept = kept_of(tmp_path, layer, f'within = "{zones}/footprints"')
    np.testing.assert_array_equal(kept, inside_of(polygons(tmp_path, zones, FOOTPRINTS), every))


def test_points_stay_at_the_distances_of_footprints_by_shapely(tmp_path):
    key = 'near = { layer = "houses/footprints", within = 20.0, beyond = 3.0 }'
    every, kept = kept_of(tmp_path, "cats", key)
    distance = shapely.STRtree(polygons(tmp_path, "houses", FOOTPRINTS)).query_nearest(
        every, return_distance=True, all_matches=False
    )[1]
    np.testing.assert_array_equal(kept, (distance <= 20) & (distance > 3))


def test_points_stay_near_the_sides_of_parcels_and_in_those_that_hold_a_house(tmp_path):
    shapes, held = polygons(tmp_path, "houses", PARCELS, around=6)
    every, kept = kept_of(tmp_path, "hedges", 'near = { layer = "houses/parcels", within = 2.0 }')
    sides = shapely.STRtree(shapely.boundary(shapes))
    _, distance = sides.query_nearest(every, return_distance=True, all_matches=False)
    np.testing.assert_array_equal(kept, distance <= 2)
    every, kept = kept_of(tmp_path, "gardens", 'within = "houses/occupied_parcels"\n')
    distance = shapely.STRtree(polygons(tmp_path, "houses", FOOTPRINTS)).query_nearest(
        every, return_distance=True, all_matches=False
    )[1]
    assert (distance > 1).all()
    np.testing.assert_array_equal(kept, inside_of(shapes[held > 0], every))


def test_areas_are_those_of_the_union_of_overlapping_crowns_by_shapely(tmp_path):
    """By pixels of 8 m: single ones within a scanline, their sum within 10**-3 of it."""
    context, cells = context_of(tmp_path, "leaves"), Cells(0, 0, 3, 2)
    found = context.sampler.retention(cells)
    union = shapely.union_all(polygons(tmp_path, "crowns", FOOTPRINTS))
    x0, y0, *_ = context.lattice.bounds(cells)
    row, column = np.divmod(np.arange(found.size), found.shape[1])
    boxes = shapely.box(x0 + 8 * column, y0 + 8 * row, x0 + 8 * column + 8, y0 + 8 * row + 8)
    shapely.prepare(union)
    area = (shapely.area(shapely.intersection(boxes, union)) / 64).reshape(found.shape)
    assert 0.05 < area.mean() < 0.9
    assert np.abs(found - area).max() < 0.04
    assert abs(found.sum() / area.sum() - 1) < 1e-3
    whole = area > 1 - 1e-12
    assert (found[whole] == 1).all()
    assert whole.any()
    np.testing.assert_array_equal(found, context.sampler.retention(REGION)[:16, 64:88])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_membership_is_that_of_a_mask_of_the_same_polygons_also_on_their_borders(seed):
    """Vertices on a coarse grid, so that many points are vertices or lie on sides."""
    rng = np.random.default_rng(seed)
    grid = CELL // 4
    x0, y0 = rng.integers(-8, 8, (2, 12)) * grid
    wide, high = rng.integers(1, 9, (2, 12)) * grid
    x = np.stack((x0, x0 + wide, x0 + wide, x0), axis=1)
    y = np.stack((y0, y0 - grid, y0 + high, y0 + high), axis=1)  # a slanted side
    px, py = (axis.ravel() * (grid // 2) for axis in np.mgrid[-16:24, -16:24])
    found = PolygonIndex.over(Polygons.of_rows(x, y), Cells(-2, -2, 3, 3)).contains(px, py)
    rings = [np.hstack((axis, axis[:, :1])).ravel() for axis in (x, y)]
    mask = Mask(*rings, np.arange(13) * 5, np.arange(12))
    np.testing.assert_array_equal(found, mask.contains(px, py))
    at = int(rng.integers(px.size))
    holds = (_holds(a, b, px[at], py[at]) for a, b in zip(x, y, strict=True))
    assert found[at] == any(holds)


def _holds(x, y, px, py):
    """Crossing number in rationals."""
    crossings = 0
    for k in range(x.size):
        ax, ay, bx, by = (int(v) for v in (x[k - 1], y[k - 1], x[k], y[k]))
        if min(ay, by) <= py < max(ay, by):
            crossings += px < ax + Fraction((int(py) - ay) * (bx - ax), by - ay)
    return crossings % 2 == 1


def test_nothing_is_covered_by_nothing():
    none = Polygons(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(1, np.int64))
    assert not covered(none, Cells(0, 0, 2, 2)).any()
    assert not PolygonIndex.over(none, Cells(0, 0, 1, 1)).contains(*np.zeros((2, 1), int)).any()


@pytest.mark.parametrize("setback", [None, 0.0, 30.0])
def test_no_footprint_reaches_beyond_its_span(setback):
    """Moved to their street from any side; streets at all angles."""
    from synthgrid_assets.inputs.paths import Paths
    from synthgrid_assets.lattice.pattern import PointPattern
    from synthgrid_assets.lattice.seeding import stream_key
    from synthgrid_assets.processes.shapes.footprints import rings_about

    rng = np.random.default_rng(4)
    table: AnyFootprint = RectangleTable(
        shape="rectangle",
        width=(4.0, 20.0),
        depth=30.0,
        along={"input": "streets", "within": 60.0, "setback": setback},
    )
    x, y = rng.integers(0, 20 * CELL, (2, 3000))
    ends = rng.integers(0, 20 * CELL, (2, 40))
    streets = Paths(*ends, np.arange(0, 41, 2))
    points = PointPattern(x, y, rng.integers(0, 2**63, 3000, np.uint64))
    made = rings_about(points, table, stream_key("span"), 64.0, streets)
    far = np.hypot(made.x - x[:, None], made.y - y[:, None]).max() * 64.0 / CELL
    assert 0.5 * span(table) < far <= span(table)


@pytest.mark.parametrize("layer", ["residents", "cats", "gardens", "hedges"])
def test_tiles_of_a_healthy_region_pass_and_their_counts_have_their_law(tmp_path, layer):
    """Randomised p-values of 64 tiles are uniform; every region check passes."""
    context = commit(context_of(tmp_path, layer, tile=4), ["points"])
    assert is_resolved(context.sampler)
    checks = region_checks(context, POINTS)
    failed = {name: check.verdict for name, check in checks.items() if not check.verdict.passed}
    assert failed == {}
    facts = [dict(POINTS.rows(context, tile).facts) for tile in context.spec.world.tiling]
    p_values = [fact["p_randomised"] for fact in facts]
    assert kstest(p_values, "uniform").pvalue > 1e-6


def test_the_declared_share_lies_in_footprints_and_its_checks_pass(tmp_path):
    context = commit(context_of(tmp_path, "trips"), ["points"])
    checks = region_checks(context, POINTS)
    for name in ("zones_hold_the_declared_share", "contract_is_kept"):
        assert checks[name].verdict.passed, checks[name].verdict
    every, _ = places(tmp_path, "trips")
    share = inside_of(polygons(tmp_path, "houses", FOOTPRINTS), every).mean()
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / every.size)
    half = ('footprints", least = 0.17, most', 'footprints", most'), ("most = 0.23", "most = 0.1")
    told = region_checks(context_of(tmp_path, "trips", *half), POINTS)["contract_is_kept"].verdict
    assert not told.passed
    assert "houses/footprints" in told.detail


def versions(spec):
    return {name: asset_version(spec, name, POINTS).code_version for name in spec.layers}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (("depth = 15.0", "depth = 14.0"), {"residents", "cats", "gardens", "trips"}),
        (("points = 3, area", "points = 4, area"), {"hedges", "gardens"}),
        (("radius = [3.0, 12.0]", "radius = 4.0"), {"leaves"}),
        (("sigma = 20.0", "sigma = 21.0"), {"crowns", "leaves"}),
        (('selectivity = 0.2', "selectivity = 0.3"), {"trips"}),
        (("least = 0.17, ", ""), set()),
    ],
)  # fmt: skip
def test_a_change_of_polygons_makes_stale_what_is_drawn_by_them_alone(tmp_path, change, stale):
    before, after = versions(spec_of(tmp_path)), versions(spec_of(tmp_path, change))
    assert {name for name in before if before[name] != after[name]} == stale


MISTAKES = {
    "unknown layer": ("houses/footprints", "house/footprints", "within", "mean houses?"),
    "unknown zones": ("houses/footprints", "houses/footprint", "within", "mean footprints?"),
    "zones of none": ("houses/footprints", "cats/footprints", "within", "[layers.cats.footprint]"),
    "too many parts": ("houses/footprints", "houses/footprints/x", "within", "allowed:"),
    "no layer": ("houses/footprints", "/footprints", "within", "is no layer"),
    "all parcels": ("houses/footprints", "houses/parcels", "within", "houses/occupied_parcels"),
    "no input": ("houses/footprints", "houses", "within", "is no input"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(tmp_path, mistake):
    found, written, key, word = MISTAKES[mistake]
    spec_of(tmp_path)
    path = tmp_path / "zoned.toml"
    path.write_text(WORLD.replace(f'within = "{found}"', f'within = "{written}"', 1))
    _, problems = check_world(path)
    assert [problem.path for problem in problems] == [f"layers.residents.{key}"]
    assert word in problems[0].message


@pytest.mark.parametrize(
    ("found", "written", "path", "word"),
    [
        (
            'zones = "houses/footprints", s',
            'zones = "houses/parcels", s',
            "trips.join.zones",
            "occ",
        ),
        ('zones = "houses/footprints", s', 'zones = "a/b", s', "trips.join.zones", "is no layer"),
        (
            'zones = "houses/footprints", least',
            'zones = "cats/parcels", least',
            "trips.contract.share_in_zones.zones",
            "[layers.cats.parcels]",
        ),
        ('layer = "houses/parcels"', 'layer = "houses/lots"', "hedges.near.layer", "allowed:"),
        ('layer = "houses/parcels"', 'layer = "hose/parcels"', "hedges.near.layer", "mean houses?"),
        (
            "radius = 30.0\n",
            'radius = 30.0\nwithin = "houses/footprints"\n',
            "houses.within",
            "houses -> houses",
        ),
        (
            "radius = 30.0\n",
            'radius = 30.0\nnear = { layer = "cats", within = 90.0 }\n',
            "houses.near.layer",
            "houses -> cats -> houses",
        ),
        ("depth = 15.0", "depth = -15.0", "houses.footprint.depth", "greater than 0"),
        ('shape = "rectangle", ', "", "houses.footprint.shape", "required"),
    ],
)
def test_a_mistake_in_other_tables_is_one_line_too(tmp_path, found, written, path, word):
    assert found in WORLD
    file = tmp_path / "zoned.toml"
    file.write_text(WORLD.replace(found, written, 1))
    _, problems = check_world(file)
    assert [problem.path for problem in problems] == [f"layers.{path}"], problems
    assert word in problems[0].message
