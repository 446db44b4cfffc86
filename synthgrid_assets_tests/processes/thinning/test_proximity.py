"""Thinning by distance: exact on the lattice, the same on any tiling, its area known."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from synthgrid_assets.inputs.masks import Mask
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.processes.thinning.proximity import (
    NEAR,
    ByProximity,
    FeatureTargets,
    LayerTargets,
    near_status,
    surroundings,
)
from synthgrid_assets.processes.thinning.thinned import ThinnedProcess
from synthgrid_assets_tests.processes.examples import example

SIDE = 8
STATIONS = PoissonProcess(stream_key("stations"), Fraction(1, 10))
SHOPS = PoissonProcess(stream_key("shops"), Fraction(20))
ORIGIN = st.integers(-(2**21), 2**21)


def line(*vertices):
    x, y = (
        np.array([int(v * CELL) for v in axis], np.int64) for axis in zip(*vertices, strict=True)
    )
    return Paths(x, y, np.array([0, x.size], np.int64))


def square(left, bottom, side):
    ring = [(0, 0), (0, side), (side, side), (side, 0), (0, 0)]
    x, y = (
        np.array([int((o + d) * CELL) for d in axis], np.int64)
        for o, axis in zip((left, bottom), zip(*ring, strict=True), strict=True)
    )
    return Mask(x, y, np.array([0, 5]), np.array([0]))


ROAD = line((-3.3, -2.1), (4.7, 3.9), (4.7, 9.3), (30.1, 9.3))
PARK = square(2.5, 2.5, 3.0)


def pattern(x, y):
    x, y = np.array(x, np.int64), np.array(y, np.int64)
    return PointPattern(x, y, np.arange(x.size, dtype=np.uint64))


def kept(features, x, y, **distances):
    thinning = ByProximity(FeatureTargets(features), **distances)
    return thinning.kept(pattern(x, y), Cells(-64, -64, 64, 64)).tolist()


def test_the_limit_itself_is_near_and_one_quantum_more_is_not():
    dot = line((1, 1))
    d = 5 * 10**6
    x = [CELL + d, CELL + d + 1, CELL + 3 * 10**6, CELL + 3 * 10**6 + 1, CELL - d]
    y = [CELL, CELL, CELL + 4 * 10**6, CELL + 4 * 10**6, CELL]
    assert kept(dot, x, y, within=d) == [True, False, True, False, True]
    assert kept(dot, x, y, beyond=d) == [False, True, False, True, False]


def test_the_distance_to_a_slanted_line_is_exact_where_floats_are_not():
    """3-4-5: points at exactly 5 k quanta from a line of slope 3/4, and one quantum inside."""
    k, far = 1_000_003, 60  # the line's ends are 60 cells away: products beyond 2**63
    slanted = Paths(
        np.array([-4 * far * CELL, 4 * far * CELL]),
        np.array([-3 * far * CELL, 3 * far * CELL]),
        np.array([0, 2]),
    )
    base = np.array([4, 3]) * 777_777
    x, y = base + k * np.array([-3, 4])
    for nudge, expected in ((0, True), (1, False), (-1, True)):
        assert kept(slanted, [x], [y + nudge], within=5 * k) == [expected]
        assert kept(slanted, [x], [y + nudge], beyond=5 * k) == [not expected]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=6, max_size=6), st.integers(1, 30))
def test_every_small_case_agrees_with_rational_arithmetic(ends, limit):
    x0, y0, x1, y1, px, py = ends
    w, v = (x1 - x0, y1 - y0), (px - x0, py - y0)
    square_of_w = w[0] ** 2 + w[1] ** 2
    along = Fraction(v[0] * w[0] + v[1] * w[1], square_of_w) if square_of_w else Fraction(0)
    along = min(max(along, Fraction(0)), Fraction(1))
    distance = (v[0] - along * w[0]) ** 2 + (v[1] - along * w[1]) ** 2
    features = Paths(np.array([x0, x1]), np.array([y0, y1]), np.array([0, 2]))
    assert kept(features, [px], [py], within=limit) == [distance <= limit**2]


def test_distances_to_a_layer_agree_with_a_tree():
    """Oracle: SciPy's nearest neighbours on floats; none here lies within rounding of the limit."""
    cells, limit = Cells(-7, 3, 20, 28), int(1.7 * CELL)
    shops, stations = SHOPS.points(cells), STATIONS.points(cells.grown(3))
    tree = cKDTree(np.column_stack([stations.x, stations.y]) / CELL)
    nearest, _ = tree.query(np.column_stack([shops.x, shops.y]) / CELL)
    found = ByProximity(LayerTargets(STATIONS), within=limit).kept(shops, cells)
    np.testing.assert_array_equal(found, nearest <= limit / CELL)
    assert 0.2 < found.mean() < 0.8


@pytest.mark.parametrize("features", [ROAD, PARK])
def test_distances_to_features_agree_with_geos(features):
    """Oracle: GEOS distances on floats, beyond its rounding."""
    cells, limit = Cells(-4, -4, 14, 14), int(0.9 * CELL)
    shops = SHOPS.points(cells)
    shape = (
        shapely.union_all(features.polygons)
        if isinstance(features, Mask)
        else shapely.LineString(np.column_stack([features.x, features.y]) / CELL)
    )
    away = shapely.distance(shape, shapely.points(shops.x / CELL, shops.y / CELL))
    found = ByProximity(FeatureTargets(features), within=limit).kept(shops, cells)
    clear = np.abs(away - limit / CELL) > 1e-9
    assert clear.all()
    np.testing.assert_array_equal(found, away <= limit / CELL)
    assert 0.05 < found.mean() < 0.9


def layer(**change):
    """Shops near stations that are themselves near a road, inside a park's surroundings."""
    near_road = ThinnedProcess(STATIONS, (ByProximity(FeatureTargets(ROAD), within=6 * CELL),))
    given = {"within": 2 * CELL + 12345, "beyond": CELL // 3, **change}
    return ThinnedProcess(example("thomas"), (ByProximity(LayerTargets(near_road), **given),))


@settings(max_examples=25, deadline=None)
@given(
    origin=st.tuples(st.integers(-6, 20), st.integers(-6, 12)),
    cuts_x=st.sets(st.integers(1, SIDE - 1), max_size=4),
    cuts_y=st.sets(st.integers(1, SIDE - 1), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_any_tiling_gives_the_same_points(origin, cuts_x, cuts_y, order):
    ox, oy = origin
    area = Cells(ox, oy, ox + SIDE, oy + SIDE)
    xs, ys = [0, *sorted(cuts_x), SIDE], [0, *sorted(cuts_y), SIDE]
    tiles = [
        Cells(ox + a, oy + c, ox + b, oy + d) for a, b in pairwise(xs) for c, d in pairwise(ys)
    ]
    order.shuffle(tiles)
    parts = [layer().points(tile) for tile in tiles]
    joined = canonical(*map(np.concatenate, zip(*parts, strict=True)), area)
    for ours, theirs in zip(joined, layer().points(area), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_something_is_kept_and_something_dropped():
    cells = Cells(-6, -6, 20, 20)
    n = len(layer().points(cells))
    assert 0.02 < n / len(example("thomas").points(cells)) < 0.8
    assert layer().reach == 2 * CELL + 12345 + 6 * CELL


@settings(max_examples=20, deadline=None)
@given(x=ORIGIN, y=ORIGIN)
def test_within_and_beyond_share_the_points_without_rest(x, y):
    cells = Cells(x, y, x + 6, y + 6)
    shops = SHOPS.points(cells)
    near = ByProximity(LayerTargets(STATIONS), within=CELL).kept(shops, cells)
    far = ByProximity(LayerTargets(STATIONS), beyond=CELL).kept(shops, cells)
    np.testing.assert_array_equal(near, ~far)


@pytest.mark.parametrize("limit", [CELL // 16, CELL // 2, 3 * CELL])
def test_the_kept_area_is_that_of_the_union_of_discs(limit):
    """Oracle: GEOS' area of discs with 2048 corners. Stated error: 0.007 of a border pixel."""
    cells = Cells(5, -9, 29, 15)
    found = ByProximity(LayerTargets(STATIONS), within=limit).retention(cells)
    stations = STATIONS.points(cells.grown(4))
    discs = shapely.buffer(
        shapely.points(stations.x / CELL, stations.y / CELL), limit / CELL, quad_segs=512
    )
    expected = shapely.union_all(discs).intersection(shapely.box(*cells)).area
    border = int(((found > 0) & (found < 1)).sum())
    assert border > 10
    assert abs(found.sum() / 64 - expected) < 5 * 0.007 * border**0.5 / 64 + 2e-5 * expected


def test_the_area_of_a_straight_border_is_within_its_stated_bound():
    for shift in (0.0, 0.3, 0.4999):
        road = line((-50, 3 + shift), (50, 3 + shift))
        found = ByProximity(FeatureTargets(road), within=CELL // 3).retention(Cells(0, 0, 8, 8))
        assert abs(found.mean() * 64 - 8 * 2 * (CELL // 3) / CELL) < 8 * 2 / 1400


def test_a_mask_and_a_distance_share_their_area_and_not_its_product():
    """The kept half of each cell is the half outside the mask: a product would say a quarter."""
    road, park = line((-50, 1), (50, 1)), square(-40, 0.5, 3.0)
    thinning = ByProximity(FeatureTargets(road), beyond=CELL // 2, mask=park)
    cells = Cells(0, 0, 2, 1)
    assert ByProximity(FeatureTargets(road), beyond=CELL // 2).retention(cells).mean() == 0.5
    assert thinning.retention(cells).sum() == 0
    assert not thinning.kept(SHOPS.points(cells), cells).any()


@pytest.mark.parametrize("beyond", [None, CELL // 3])
def test_the_number_of_kept_points_follows_the_kept_area(beyond):
    """Chi-square of 400 independent counts: false alarm below 1e-6 on each side."""
    thinning = ByProximity(LayerTargets(STATIONS), within=2 * CELL, beyond=beyond, mask=PARK_SEA)
    counts, means = [], []
    for number in range(400):
        cells = Cells(16 * number, 0, 16 * number + 8, 8)
        counts.append(thinning.kept(SHOPS.points(cells), cells).sum())
        means.append(20 * thinning.retention(cells).sum() / 64)
    means = np.array(means)
    assert means.min() < 0.5 * means.max()
    statistic = ((np.array(counts) - means) ** 2 / means).sum()
    assert abs(statistic - 400) < 6 * (2 * 400) ** 0.5
    total, expected = sum(counts), means.sum()
    assert abs(total - expected) < 4.9 * expected**0.5


PARK_SEA = square(-100.3, -3.7, 7000.0)


def test_doubtful_cases_are_rare():
    shops = SHOPS.points(Cells(-4, -4, 14, 14))
    around = surroundings(ROAD.segments, Cells(-4, -4, 14, 14), CELL)
    status = near_status(around, shops.x, shops.y, CELL)
    assert (status <= NEAR).all()


@pytest.mark.parametrize("targets", [ROAD, PARK], ids=["road", "park"])
def test_weights_fall_with_the_distance_and_their_integral_is_known(targets):
    """Kept shares by distance, as shapely measures it, and the total of a wide rectangle."""
    cells, falloff, within = Cells(-6, -6, 14, 14), 0.8, 5
    thinning = ByProximity(
        FeatureTargets(targets), within * CELL, falloff=falloff * CELL, key=stream_key("less")
    )
    points = PoissonProcess(stream_key("falloff"), Fraction(60)).points(cells)
    kept = thinning.kept(points, cells)
    xy = np.stack((targets.x, targets.y), axis=1) / CELL
    shape = shapely.polygons(xy) if targets is PARK else shapely.linestrings(xy)
    distance = shapely.distance(shape, shapely.points(points.x / CELL, points.y / CELL))
    assert not kept[distance > within].any()
    expected = np.where(distance <= within, np.exp(-distance / falloff), 0.0)
    for low, high in pairwise([-1.0, 0.0, 0.3, 0.8, 1.6, 5.0]):
        ring = (distance > low) & (distance <= high)
        variance = (expected[ring] * (1 - expected[ring])).sum()
        assert abs(kept[ring].sum() - expected[ring].sum()) <= 5.5 * np.sqrt(variance)
    # the same points, each with its probability, are the integral with Monte Carlo's error
    total = 60 * thinning.retention(cells).mean() * cells.area
    assert abs(expected.sum() - total) < 5.5 * np.sqrt((expected**2).sum())
    several = thinning.retention(Cells(0, 0, 2, 2)).reshape(2, 8, 2, 8).mean(axis=(1, 3))
    x, y = (np.arange(0.5, 400) / 200 for _ in range(2))
    grid = shapely.points(*np.meshgrid(x, y))
    exact = np.exp(-shapely.distance(shape, grid) / falloff)
    np.testing.assert_allclose(several, exact.reshape(2, 200, 2, 200).mean(axis=(1, 3)), rtol=2e-3)
