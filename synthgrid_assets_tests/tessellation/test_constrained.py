"""Seamless with constraints: tiles are the constrained triangulation of the plane."""

import json
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.anchors import is_anchor
from synthgrid_assets.tessellation.constrained import (
    ConstrainedTriangles,
    merge_constrained,
    tessellate_constrained,
)
from synthgrid_assets.tessellation.constraint_insertion import constrain
from synthgrid_assets.tessellation.constraints import (
    is_constraint_node,
    with_nodes,
)
from synthgrid_assets.tessellation.proofs.verification import triangle_faults
from synthgrid_assets.tessellation.sites import Sites, distinct
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets_tests.tessellation.networks import constraint_network
from synthgrid_assets_tests.tessellation.patterns import WORLD, World, pattern
from synthgrid_assets_tests.tessellation.test_tessellate import few_sites

AREA = Cells(-16, -16, 16, 16)
END = 40 * CELL - 1  # roads run through all that is known


@cache
def roads():
    """Crossing waves, a shore, a border, a loose end, a junction, a doubled stretch."""
    steps = np.arange(-80, 81) * (CELL // 2)
    lines = []
    for k in range(-4, 5):
        wave = np.clip(8 * k * CELL + CELL * 1.7 * np.sin(steps / CELL + k), -END - 1, END)
        wave, along = wave.astype(int).tolist(), np.clip(steps, -END - 1, END).tolist()
        lines.append(list(zip(along, wave, strict=True)))
        lines.append(list(zip(wave, along, strict=True)))
    turn = np.linspace(0, 2 * np.pi, 90)
    radius = 9 + 2 * np.cos(5 * turn)
    shore = np.stack((radius * np.cos(turn), radius * np.sin(turn)), axis=1) * CELL
    shore = [tuple(p) for p in shore.round().astype(int).tolist()]
    lines.append([*shore[:-1], shore[0]])
    lines.append([(3 * CELL, -END), (3 * CELL, END)])  # along cell borders
    lines.append([(5 * CELL + 7, 5 * CELL + 9), (6 * CELL + 11, 2 * CELL + 13)])
    lines.append([(3 * CELL, 4 * CELL + 99), (12 * CELL, 4 * CELL + 99)])
    lines.append([(6 * CELL, 4 * CELL + 99), (14 * CELL, 4 * CELL + 99)])
    return constraint_network(lines, range(100, 100 + len(lines)))


@cache
def whole(name: str) -> ConstrainedTriangles:
    return tessellate_constrained(pattern(name), roads().within, AREA)


def assert_same_rows(one: ConstrainedTriangles, other: ConstrainedTriangles) -> None:
    for field in ("triangles", "triangle_xy", "constraint"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)


def at_once(source, network, around: Cells, area: Cells):
    """Triangles of one constrained triangulation of all that is around, owned by an area.

    Each as the ids of its corners and the constraints along a-b, b-c and c-a.
    """
    sites = distinct(with_nodes(source, network.within)(around)).sites
    place = {p: k for k, p in enumerate(zip(sites.x.tolist(), sites.y.tolist(), strict=True))}
    number = np.array([place[p] for p in zip(network.x.tolist(), network.y.tolist(), strict=True)])
    x, y = sites.x - sites.x.min(), sites.y - sites.y.min()
    edges = np.stack((number[network.tail], number[network.head]), axis=1)
    mesh, fixed = constrain(delaunay(x, y), x, y, edges, network.id)
    inside, rank = sites.inside(area), np.argsort(np.lexsort((sites.y, sites.x)))
    finite = (mesh.vertices < len(sites)).all(axis=1)
    found = set()
    for corners, along in zip(mesh.vertices[finite].tolist(), fixed[finite].tolist(), strict=True):
        k = int(np.argmin(rank[corners]))
        if inside[corners[k]]:
            a, b, c = (corners[(k + m) % 3] for m in range(3))
            sides = along[(k + 2) % 3], along[k], along[(k + 1) % 3]
            found.add((*sites.id[[a, b, c]].tolist(), *sides))
    return found


NAMES = ("random", "broken lattice", "clustered", "duplicated", "lattice")


@pytest.mark.parametrize("name", NAMES)
def test_the_triangles_are_those_of_everything_at_once(name):
    found = whole(name)
    rows = np.concatenate((found.triangles, found.constraint), axis=1).tolist()
    assert set(map(tuple, rows)) == at_once(pattern(name), roads(), WORLD, AREA)
    assert len(rows) == len(set(map(tuple, rows)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [8, 16])
def test_square_tiles_give_the_same_rows(name, side):
    parts = [
        tessellate_constrained(pattern(name), roads().within, Cells(ix, iy, ix + side, iy + side))
        for ix in range(AREA.ix0, AREA.ix1, side)
        for iy in range(AREA.iy0, AREA.iy1, side)
    ]
    assert max(part.halo for part in parts) <= 24  # own edges hide what lies beyond
    assert_same_rows(merge_constrained(parts), whole(name))


@settings(max_examples=8, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    xs=st.sets(st.integers(-15, 15), max_size=3),
    ys=st.sets(st.integers(-15, 15), max_size=3),
)
def test_any_tiling_gives_the_same_rows(name, xs, ys):
    xs, ys = [AREA.ix0, *sorted(xs), AREA.ix1], [AREA.iy0, *sorted(ys), AREA.iy1]
    tiles = [Cells(a, c, b, d) for a, b in pairwise(xs) for c, d in pairwise(ys)]
    parts = [tessellate_constrained(pattern(name), roads().within, cells) for cells in tiles]
    assert_same_rows(merge_constrained(parts[::-1]), whole(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_check_passes_only_with_the_constraints_known(name):
    found = whole(name)
    rows = found.triangles, found.triangle_xy, AREA
    assert triangle_faults(*rows, found.constraint).total == 0
    assert triangle_faults(*rows).not_delaunay > 0  # the constraints did something
    damaged = found.constraint.copy()
    inner = (np.abs(found.triangle_xy) < 12 * CELL).all(axis=1)  # both sides are known
    damaged[np.flatnonzero(inner & (damaged >= 0).any(axis=1))[0]] = -1
    assert triangle_faults(*rows, damaged).total > 0


@pytest.mark.parametrize("name", ["random", "clustered", "duplicated"])  # no site on an edge
def test_every_edge_of_the_network_is_an_edge_of_triangles(name):
    """Faces can be followed: edges of the area carry their constraint, from end to end."""
    found, network = whole(name), roads()
    xy = found.triangle_xy.reshape(-1, 3, 2)
    length = {}
    for k in range(3):
        named = found.constraint[:, k] >= 0
        for a, b, label in zip(
            xy[named, k].tolist(),
            xy[named, (k + 1) % 3].tolist(),
            found.constraint[named, k],
            strict=True,
        ):
            length[tuple(sorted((tuple(a), tuple(b))))] = int(label)
    inner = network.within(Cells(-14, -14, 14, 14))
    total = {}
    for (a, b), label in length.items():
        if all(-14 * CELL <= v < 14 * CELL for v in (*a, *b)):
            total[label] = total.get(label, 0) + abs(b[0] - a[0]) + abs(b[1] - a[1])
    expected = {}
    ends = np.abs(inner.x[inner.head] - inner.x[inner.tail]) + np.abs(
        inner.y[inner.head] - inner.y[inner.tail]
    )
    for label, step in zip(inner.id.tolist(), ends.tolist(), strict=True):
        expected[label] = expected.get(label, 0) + step
    assert total == expected


def test_a_site_on_a_constraint_cuts_it():
    found = whole("lattice")  # the road along x = 3 runs through lattice sites
    along = (found.constraint >= 0).any(axis=1)
    ids = np.unique(found.triangles[along])
    assert (~is_constraint_node(ids)).any()


def test_without_constraints_the_rows_are_the_plain_ones():
    nothing = constraint_network([], [])
    found = tessellate_constrained(pattern("random"), nothing.within, Cells(0, 0, 5, 5))
    plain = tessellate(pattern("random"), Cells(0, 0, 5, 5))
    np.testing.assert_array_equal(found.triangles, plain.triangles)
    np.testing.assert_array_equal(found.triangle_xy, plain.triangle_xy)
    assert (found.constraint == -1).all()


def test_an_empty_tile_owns_nothing():
    found = tessellate_constrained(lambda cells: Sites.none(), roads().within, Cells(30, 0, 30, 4))
    assert len(found) == 0
    nothing = constraint_network([], [])
    found = tessellate_constrained(lambda cells: Sites.none(), nothing.within, Cells(0, 0, 2, 2))
    assert found.triangles.shape == found.constraint.shape == (0, 3)


def crossing_roads():
    return constraint_network([[(0, 5), (2 * CELL, CELL)], [(9, CELL), (CELL + 7, 0)]], [1, 2])


def rows_of_a_small_tile():
    found = tessellate_constrained(few_sites, crossing_roads().within, Cells(0, 0, 2, 1))
    return [found.triangles.tolist(), found.triangle_xy.tolist(), found.constraint.tolist()]


def test_python_without_the_compiler_computes_the_same_rows():
    """NUMBA_DISABLE_JIT=1 in a process of its own."""
    script = (
        "import json\n"
        "from synthgrid_assets_tests.tessellation.test_constrained import rows_of_a_small_tile\n"
        "print(json.dumps(rows_of_a_small_tile()))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(output) == rows_of_a_small_tile()


def test_with_anchors_a_shore_with_nothing_beyond_is_seamless():
    """Sites inside the shore only, the sea held by anchors and shore nodes."""
    everything = pattern("random").sites
    island = World(everything.take(np.hypot(everything.x, everything.y) < 6 * CELL))
    turn = np.linspace(0, 2 * np.pi, 50)[:-1]
    shore = np.stack((np.cos(turn), np.sin(turn)), axis=1) * 7 * CELL
    shore = [tuple(p) for p in shore.round().astype(int).tolist()]
    network = constraint_network([[*shore, shore[0]]], [1])
    area = Cells(-9, -9, 9, 9)
    with pytest.raises(GeometryError):
        tessellate_constrained(island, network.within, area, max_halo=20)
    expected = tessellate_constrained(island, network.within, area, anchors=3, max_halo=20)
    assert is_anchor(expected.triangles).any()
    assert is_constraint_node(expected.triangles).any()
    tiles = [
        Cells(a, c, b, d) for a, b in pairwise((-9, -2, 3, 9)) for c, d in pairwise((-9, 0, 9))
    ]
    parts = [
        tessellate_constrained(island, network.within, cells, anchors=3, max_halo=20)
        for cells in tiles
    ]
    assert_same_rows(merge_constrained(parts), expected)
