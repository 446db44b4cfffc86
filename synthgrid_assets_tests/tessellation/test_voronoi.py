"""Voronoi cells against exact half-plane clipping, SciPy, GEOS, and closed forms."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Voronoi

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.proofs.cell_verification import cell_faults
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.voronoi import _simple, area_around
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, doubled_area, pattern

TILE = Cells(-2, -2, 4, 3)


def rings_of(found):
    return [
        found.ring[start:end].tolist()
        for start, end in zip(found.ring_offsets[:-1], found.ring_offsets[1:], strict=True)
    ]


def clipped_cell(site, others):
    """Voronoi cell in rationals: a square cut by one bisector after the other."""
    big = Fraction(60 * CELL)
    cell = [(-big, -big), (big, -big), (big, big), (-big, big)]
    for other in others:
        dx, dy = other[0] - site[0], other[1] - site[1]
        half = Fraction(dx * dx + dy * dy, 2)
        side = [half - (dx * x + dy * y) for x, y in cell]
        cut = []
        for k, here in enumerate(cell):
            before, s, r = cell[k - 1], side[k], side[k - 1]
            if (s > 0 and r < 0) or (s < 0 and r > 0):
                t = r / (r - s)
                cut.append(tuple(b + t * (h - b) for b, h in zip(before, here, strict=True)))
            if s >= 0:
                cut.append(here)
        cell = cut
    return cell


def rounded_ring(cell, site):
    points = [tuple((v * 1024 + Fraction(1, 2)).__floor__() for v in p) for p in cell]
    points = [p for k, p in enumerate(points) if p != points[k - 1]]
    first = points.index(min(points))
    points = points[first:] + points[:first] + [points[first]]
    return [[x + 1024 * site[0], y + 1024 * site[1]] for x, y in points]


@pytest.mark.parametrize("name", PATTERNS)
def test_rings_are_the_exact_cells_rounded_once(name):
    """Rational half-plane clipping shares no code and no theorem with the triangulation."""
    found = tessellate(pattern(name), TILE)
    known = pattern(name)(TILE.grown(12))
    known = list(set(zip(known.x.tolist(), known.y.tolist(), strict=True)))
    rings = rings_of(found)
    for k in np.random.default_rng(4).choice(len(found), 6, replace=False):
        site = (int(found.x[k]), int(found.y[k]))
        others = sorted(  # nearest first: the cell is small at once
            (p for p in known if p != site),
            key=lambda p: (p[0] - site[0]) ** 2 + (p[1] - site[1]) ** 2,
        )
        assert rings[k] == rounded_ring(clipped_cell(site, others), site)


@pytest.mark.parametrize("name", ["random", "void-ridden"])
def test_qhull_gives_the_same_areas_in_general_position(name):
    found = tessellate(pattern(name), TILE)
    known = pattern(name)(TILE.grown(20))
    # Qhull works in doubles: keep its coordinates small
    theirs = Voronoi(np.stack((known.x, known.y), axis=1) / CELL)
    at = {site: k for k, site in enumerate(known.id.tolist())}
    for site, ring in zip(found.site_id.tolist(), rings_of(found), strict=True):
        region = theirs.vertices[theirs.regions[theirs.point_region[at[site]]]]
        area = abs(doubled_area(ring)) / 2 / (1024 * CELL) ** 2
        assert shapely.MultiPoint(region).convex_hull.area == pytest.approx(area, rel=1e-9)


@pytest.mark.parametrize("name", PATTERNS)
def test_cells_cover_what_they_surround(name):
    found = tessellate(pattern(name), Cells(-9, -9, 10, 9))
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        found.ring / (1024 * CELL),
        (found.ring_offsets, np.arange(len(found) + 1)),
    )
    box = shapely.box(-2, -2, 3, 2)
    assert shapely.area(shapely.intersection(polygons, box)).sum() == pytest.approx(20, rel=1e-9)


@pytest.mark.parametrize("name", PATTERNS)
def test_rings_are_closed_counter_clockwise_from_their_smallest_vertex(name):
    found = tessellate(pattern(name), TILE)
    for ring, (high, low) in zip(rings_of(found), found.doubled_area.tolist(), strict=True):
        assert ring[0] == ring[-1] == min(ring)
        assert all(a != b for a, b in pairwise(ring))
        assert (high << 40) + low == doubled_area(ring[:-1]) > 0
        assert 0 <= low < 2**40


@pytest.mark.parametrize("name", PATTERNS)
def test_geos_agrees_which_rings_are_valid(name):
    found = tessellate(pattern(name), TILE)
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        found.ring.astype(float),  # exact: local coordinates are below 2**53
        (found.ring_offsets, np.arange(len(found) + 1)),
    )
    np.testing.assert_array_equal(shapely.is_valid(polygons), found.valid)


loops = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=8).filter(
    lambda ring: all(ring[k] != ring[k - 1] for k in range(len(ring)))
)


@given(loops)
def test_geos_agrees_which_closed_rings_are_simple(ring):
    closed = np.array([*ring, ring[0]], np.int64)
    simple = shapely.LinearRing([*ring, ring[0]]).is_simple
    assert _simple(*closed.T) == simple
    high, low, star = area_around(closed, 0, len(ring), 0, 0)
    assert (int(high) << 40) + int(low) == doubled_area(ring)
    if star:
        assert simple
        assert doubled_area(ring) > 0
        assert shapely.Polygon(ring).contains(shapely.Point(0, 0))


def test_neighbours_share_the_edge_that_lies_between_them():
    found = tessellate(pattern("random"), TILE)
    place = {site: k for k, site in enumerate(found.site_id.tolist())}
    rings = rings_of(found)
    edges = [{frozenset(map(tuple, edge)) for edge in pairwise(ring)} for ring in rings]
    checked = 0
    for k in range(len(found)):
        mine = slice(found.neighbour_offsets[k], found.neighbour_offsets[k + 1])
        assert len(set(found.neighbour[mine].tolist())) == found.n_neighbours[k]
        perimeter = sum(np.hypot(*np.subtract(a, b)) for a, b in map(tuple, edges[k]))
        assert found.shared[mine].sum() * 1024 == pytest.approx(perimeter, rel=1e-12)
        for other, length in zip(found.neighbour[mine], found.shared[mine], strict=True):
            if int(other) in place:
                common = edges[k] & edges[place[int(other)]]
                assert len(common) == (length > 0)
                for a, b in common:
                    assert length == pytest.approx(np.hypot(*np.subtract(a, b)) / 1024, rel=1e-12)
                    checked += 1
    assert checked > 100


def test_corner_neighbours_share_no_length():
    """On a full lattice the diagonal neighbours touch in a point: rook and bishop."""
    found = tessellate(pattern("lattice"), TILE)
    lengths = found.shared.reshape(-1, 6)
    np.testing.assert_array_equal(np.sort(lengths, axis=1)[:, :2], 0)
    np.testing.assert_array_equal(np.sort(lengths, axis=1)[:, 2:], CELL // 2)


def test_rows_of_every_pattern_pass_the_exact_check():
    for name in PATTERNS:
        found = tessellate(pattern(name), TILE)
        faults = cell_faults(
            found.x, found.y, found.ring, found.ring_offsets, found.doubled_area, TILE
        )
        assert faults.total == 0, f"{name}: {faults.describe()}"
