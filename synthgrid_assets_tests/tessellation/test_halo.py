"""The certificate: what it lets through, no site beyond the window could change."""

import pickle
import re

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, CELL_LIMIT, Cells
from synthgrid_assets.tessellation.halo import certified_neighbourhood
from synthgrid_assets.tessellation.ownership import owned_triangles
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import MAX_HALO, tessellate
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, finite_triangles, pattern, world

EVERYWHERE = Cells(-500, -500, 500, 500)
TILE = Cells(0, 0, 4, 4)


def few(*points):
    return world(*np.array(points, np.int64).reshape(-1, 2).T, known=EVERYWHERE)


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ([(5, 5)], "the plane around its collinear sites"),
        ([(5, 5), (9, 9)], "the plane around its collinear sites"),
        ([(5, 5 + k * CELL) for k in range(4)], "the plane around its collinear sites"),
        ([(5, 5), (9, 6), (7, 2)], "the half-plane beyond the sites in cells (0, 0) and (0, 0)"),
    ],
)
def test_a_pattern_that_ends_is_refused_and_the_remedy_named(points, what):
    with pytest.raises(GeometryError, match=re.escape(what)) as caught:
        tessellate(few(*points), TILE)
    message = str(caught.value)
    assert "the tile of cells (0, 0, 4, 4)" in message
    assert f"beyond a halo of {MAX_HALO} cells" in message
    assert "Give the layer `anchors`" in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_the_empty_circle_is_named_with_its_place_and_size():
    everything = pattern("random").sites
    far = np.hypot(everything.x, everything.y) > 12 * CELL
    source = world(everything.x[far], everything.y[far])
    tile = Cells(11, -2, 13, 2)
    with pytest.raises(GeometryError, match="needs sites beyond a halo of 9 cells") as caught:
        tessellate(source, tile, max_halo=9)
    number = r"(-?[\d.]+)"
    named = (
        rf"the circle around cell position \({number}, {number}\) with a radius of {number} cells"
    )
    x, y, radius = map(float, re.search(named, str(caught.value)).groups())
    loaded = source(tile.grown(9))
    clearance = np.hypot(loaded.x / CELL - x, loaded.y / CELL - y).min()
    assert clearance == pytest.approx(radius, rel=1e-4)  # empty, and as large as can be
    assert x - radius < 11 - 9


@pytest.mark.parametrize("max_halo", [0, -2, 128])
def test_a_halo_that_arithmetic_cannot_hold_is_refused(max_halo):
    with pytest.raises(GeometryError, match=f"max_halo = {max_halo}"):
        tessellate(pattern("random"), TILE, max_halo=max_halo)


def test_a_halo_beyond_the_lattice_is_refused():
    edge = Cells(CELL_LIMIT - 4, 0, CELL_LIMIT, 4)
    with pytest.raises(GeometryError, match="lie outside the lattice's range"):
        tessellate(lambda cells: Sites.none(), edge)


def test_a_tile_without_sites_asks_for_little_and_owns_nothing():
    asked = []

    def source(cells):
        asked.append(cells)
        return Sites.none()

    found = tessellate(source, TILE)
    assert len(asked) == 1
    assert len(found) == 0
    assert found.triangles.shape == (0, 3)
    assert found.triangle_xy.shape == (0, 6)
    assert found.ring_offsets.tolist() == [0]


@pytest.mark.parametrize("name", PATTERNS)
def test_sites_beyond_the_window_change_nothing(name):
    """The law behind every tile: put anything outside the window, the rows stay."""
    rng = np.random.default_rng(11)
    found = certified_neighbourhood(pattern(name), TILE, 30)
    expected = {tuple(found.known.sites.id[row]) for row in owned_triangles(found).corners}
    x0, y0, x1, y1 = found.window.quanta()
    near = [rng.integers(v0 - 3 * CELL, v1 + 3 * CELL, 3000) for v0, v1 in ((x0, x1), (y0, y1))]
    rim = rng.integers(x0, x1, 400)  # and as near as can be: one quantum beyond
    x, y = np.r_[near[0], rim, rim], np.r_[near[1], np.full(400, y0 - 1), np.full(400, y1)]
    out = (x < x0) | (x >= x1) | (y < y0) | (y >= y1)
    x, y = np.unique(np.stack((x[out], y[out])), axis=1)
    x, y = np.r_[found.known.sites.x, x], np.r_[found.known.sites.y, y]
    corners = finite_triangles(delaunay(x - x.min(), y - y.min()), x.size)
    mine = np.r_[found.known.sites.inside(TILE), np.zeros(x.size - len(found.known.sites), bool)]
    rank = np.argsort(np.lexsort((y, x)))
    first = corners[np.arange(len(corners)), np.argmin(rank[corners], axis=1)]
    owned = corners[mine[first]]
    assert (owned < len(found.known.sites)).all()
    assert {frozenset(found.known.sites.id[row]) for row in owned} == set(map(frozenset, expected))


def test_the_halo_grows_only_where_it_must():
    everything = pattern("random").sites
    lone = everything.x < 2 * CELL
    lone |= np.random.default_rng(0).random(len(everything)) < 0.02  # sparse to the right
    source = world(everything.x[lone], everything.y[lone])
    found = certified_neighbourhood(source, Cells(0, 0, 2, 2), 30)
    assert found.window.ix0 == -2  # the first guess
    assert found.window.ix1 - 2 > 4
