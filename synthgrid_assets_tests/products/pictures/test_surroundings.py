"""What a tile knows of others: rows of the plane's, and all of them that it proves."""

from __future__ import annotations

import numpy as np
import pytest

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.pictures.surroundings import (
    other_borders,
    other_triangles,
    sites_within,
)
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.reports.committed_world import context_of
from synthgrid_assets_tests.street_world import street_spec

EVERYTHING = Box(-1e15, -1e15, 1e15, 1e15)
SLACK = 4  # quanta: more than circles are widened by, and than vertices are rounded by


def town(folder) -> LayerContext:
    """A layer whose triangles keep streets."""
    spec = street_spec(folder)
    make_input(spec, "constraints/roads", Layout(folder / "data"))
    return open_layer(spec, "trees", folder / "data")


@pytest.fixture(params=["cafes", "trees", "town"])
def context(request, tmp_path):
    return town(tmp_path) if request.param == "town" else context_of(tmp_path, request.param)


def corners(triangles):
    """Triangles as sets of corners."""
    shape = np.asarray(triangles).reshape(-1, 3, 2).astype(np.int64)
    return {frozenset(map(tuple, one)) for one in shape.tolist()}


def inside(cells: Cells, x, y):
    x0, y0, x1, y1 = cells.quanta()
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def test_triangles_of_others_are_all_that_touch_the_tile_and_are_not_its_own(context):
    found_some = 0
    for tile in list(context.spec.world.tiling)[4:9]:
        made = context.cache.triangles(tile.cells)
        (known,) = context.cache.neighbourhoods(tile.cells, triangles=True)
        others = corners(other_triangles(known, tile.cells, EVERYTHING))
        xy = LayerContext(context.job).cache.triangles(made.loaded).triangle_xy
        mine = inside(tile.cells, xy[:, 0::2], xy[:, 1::2])
        assert others == corners(xy[mine.any(axis=1) & ~mine[:, 0]])
        assert not others & corners(made.triangle_xy)
        found_some += len(others)
    assert found_some > 50


def test_only_triangles_at_sites_in_view_are_looked_for(tmp_path):
    context = context_of(tmp_path, "trees")
    tile = list(context.spec.world.tiling)[14]
    context.cache.tessellation(tile.cells)
    (known,) = context.cache.neighbourhoods(tile.cells, triangles=True)
    x0, y0, x1, y1 = map(float, tile.cells.quanta())
    view = Box(x0, y0, (x0 + x1) / 2, y1)
    seen = sites_within(known.known.sites.x, known.known.sites.y, view)
    wanted = {
        one
        for one in corners(other_triangles(known, tile.cells, EVERYTHING))
        if one & {tuple(site) for site in seen.astype(np.int64).tolist()}
    }
    found = corners(other_triangles(known, tile.cells, view))
    assert found == wanted
    assert found < corners(other_triangles(known, tile.cells, EVERYTHING))


def edges_of(rings, offsets):
    """Both ends of the edges of each ring, in quanta, and the ring that each belongs to."""
    first = np.delete(np.arange(len(rings)), offsets[1:] - 1)
    ends = np.stack((rings[first], rings[first + 1]), axis=1) / VERTEX_SCALE
    return ends, np.repeat(np.arange(offsets.size - 1), np.diff(offsets) - 1)


def keys(ends):
    """Edges whichever way they run, to the quantum."""
    return {tuple(sorted(map(tuple, one))) for one in np.rint(ends).astype(np.int64).tolist()}


def has(found, edge):
    """Whether an edge is among others, to a quantum at each end."""
    steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    (ax, ay), (bx, by) = edge
    return any(
        tuple(sorted(((ax + i, ay + j), (bx + k, by + m)))) in found
        for i, j in steps
        for k, m in steps
    )


@pytest.mark.parametrize("layer", ["cafes", "trees"])
def test_borders_between_cells_of_others_are_the_planes_and_all_that_are_proven(tmp_path, layer):
    context = context_of(tmp_path, layer)
    proven_some = 0
    for tile in list(context.spec.world.tiling)[13:16]:
        made = context.cache.tessellation(tile.cells)
        (known,) = context.cache.neighbourhoods(tile.cells, triangles=False)
        found = keys(other_borders(known, tile.cells, EVERYTHING))
        plane = LayerContext(context.job).cache.tessellation(made.loaded)
        mine = inside(tile.cells, plane.x, plane.y)
        ends, cell = edges_of(plane.ring, plane.ring_offsets)
        own, elsewhere = keys(ends[mine[cell]]), keys(ends[~mine[cell]])
        assert all(has(elsewhere, edge) for edge in found if edge[0] != edge[1])
        assert not found & own
        beside = ~mine & np.isin(plane.site_id, made.neighbour)
        site = np.stack((plane.x, plane.y), axis=1)[cell].astype(float)
        x0, y0, x1, y1 = made.loaded.quanta()
        proven = beside[cell]
        for k in (0, 1):
            reach = np.linalg.norm(ends[:, k] - site, axis=1)[:, None] + SLACK
            low, high = ends[:, k] - reach, ends[:, k] + reach
            proven &= (low >= (x0, y0)).all(axis=1) & (high <= (x1, y1)).all(axis=1)
        wanted = keys(ends[proven]) - own
        assert all(has(found, edge) for edge in wanted)
        proven_some += len(wanted)
    assert proven_some > 30
