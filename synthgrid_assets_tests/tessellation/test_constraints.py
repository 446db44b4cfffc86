"""Networks of constraints are planar, local to cells, and a function of the lines alone."""

from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation import noding
from synthgrid_assets.tessellation.anchors import is_anchor
from synthgrid_assets.tessellation.constraints import (
    ConstraintNetwork,
    is_constraint_node,
    with_nodes,
)
from synthgrid_assets.tessellation.sites import checked, distinct
from synthgrid_assets_tests.tessellation.networks import constraint_network
from synthgrid_assets_tests.tessellation.patterns import cross, pattern, world


def edges_of(network: ConstraintNetwork):
    """Edges as ((x, y), (x, y), id)."""
    points = list(zip(network.x.tolist(), network.y.tolist(), strict=True))
    rows = zip(network.tail.tolist(), network.head.tolist(), network.id.tolist(), strict=True)
    return [(points[t], points[h], name) for t, h, name in rows]


def rows_of(network: ConstraintNetwork):
    return {
        name: getattr(network, name).tolist()
        for name in ("x", "y", "node_id", "tail", "head", "id")
    }


def meet_beyond_ends(one, other) -> bool:
    """Whether two segments have a point in common that is no end of both."""
    (a, b), (c, d) = one[:2], other[:2]

    def on(p, u, v):  # p strictly inside u-v
        return cross(u, v, p) == 0 and min(u, v) < p < max(u, v)

    sides = cross(a, b, c) * cross(a, b, d), cross(c, d, a) * cross(c, d, b)
    return max(sides) < 0 or on(c, a, b) or on(d, a, b) or on(a, c, d) or on(b, c, d)


def test_lines_across_more_cells_than_memory_holds_are_refused(monkeypatch):
    with pytest.raises(GeometryError, match=r"8,000,000 of them in one segment of constraint 9;"):
        constraint_network(
            [[(0, 0), (5, 9)], [(0, 0), (4_000_000 * CELL, 4_000_000 * CELL)]], [3, 9]
        )


def test_a_cell_with_more_nodes_than_ids_is_refused():
    zigzag = [(k, 10 * (k % 2)) for k in range(70_000)]
    with pytest.raises(GeometryError, match=r"65535 nodes or more in cell \(0, 0\)"):
        constraint_network([zigzag], [0])


def test_lines_that_never_settle_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(noding, "_ROUNDS", 1)
    with pytest.raises(GeometryError, match="constraints 4 and 6 still cross after 1 rounds"):
        constraint_network([[(0, 0), (9, 9)], [(0, 9), (9, 0)]], [4, 6])


def test_no_lines_are_an_empty_network():
    network = constraint_network([], [])
    assert network.x.size == network.tail.size == 0
    assert len(with_nodes(pattern("random"), network.within)(Cells(0, 0, 1, 1))) > 0


def test_lines_that_cross_get_a_node_there():
    edges = edges_of(constraint_network([[(0, 0), (8, 8)], [(0, 8), (8, 0)]], [1, 2]))
    centre = (4, 4)
    assert sorted(edges) == [
        ((0, 0), centre, 1),
        ((0, 8), centre, 2),
        (centre, (8, 0), 2),
        (centre, (8, 8), 1),
    ]


def test_a_line_that_ends_on_another_cuts_it():
    edges = edges_of(constraint_network([[(0, 0), (8, 0)], [(3, 5), (3, 0)]], [1, 2]))
    assert sorted(edges) == [((0, 0), (3, 0), 1), ((3, 0), (3, 5), 2), ((3, 0), (8, 0), 1)]


def test_lines_that_run_along_each_other_share_edges_under_the_smallest_id():
    edges = edges_of(constraint_network([[(0, 0), (6, 0)], [(9, 0), (3, 0)]], [5, 2]))
    assert sorted(edges) == [((0, 0), (3, 0), 5), ((3, 0), (6, 0), 2), ((6, 0), (9, 0), 2)]


def test_rings_loose_ends_and_repeated_vertices_are_kept_as_they_are():
    ring = [(0, 0), (9, 0), (9, 0), (5, 9), (0, 0)]
    edges = edges_of(constraint_network([ring, [(20, 20), (21, 25)]], [1, 2]))
    assert len(edges) == 4
    assert {name for *_, name in edges} == {1, 2}


small = st.integers(0, 12)
lines = st.lists(st.lists(st.tuples(small, small), min_size=2, max_size=4), min_size=1, max_size=6)
lines = lines.map(lambda ls: [line for line in ls if len(set(line)) > 1])
far = st.integers(-2 * CELL, 2 * CELL)
far_lines = st.lists(
    st.lists(st.tuples(far, far), min_size=2, max_size=5, unique=True), min_size=1, max_size=5
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(lines, far_lines), st.randoms(use_true_random=False))
def test_edges_meet_in_nodes_only_and_order_does_not_matter(some, rng):
    ids = [rng.randrange(5) for _ in some]
    network = constraint_network(some, ids)
    edges = edges_of(network)
    assert not any(meet_beyond_ends(one, other) for one, other in combinations(edges, 2))
    assert all(a < b for a, b, _ in edges)
    assert {p for line in some for p in line} <= {p for a, b, _ in edges for p in (a, b)}
    # any order of lines, any direction
    order = list(range(len(some)))
    rng.shuffle(order)
    turned = [some[k][::-1] if rng.random() < 0.5 else some[k] for k in order]
    assert rows_of(constraint_network(turned, [ids[k] for k in order])) == rows_of(network)
    # nothing more to cut
    again = constraint_network([[a, b] for a, b, _ in edges], [name for *_, name in edges])
    assert rows_of(again) == rows_of(network)


@settings(max_examples=40, deadline=None)
@given(far_lines)
def test_edges_stay_in_one_cell_and_near_their_line(some):
    network = constraint_network(some, range(len(some)))
    for a, b, _ in edges_of(network):
        for k in range(2):
            assert (max(a[k], b[k]) - 1) // CELL <= min(a[k], b[k]) // CELL
    whole = shapely.MultiLineString(some)
    found = shapely.MultiLineString([[a, b] for a, b, _ in edges_of(network)])
    # each round of cuts moves a line by half a quantum at most
    assert shapely.hausdorff_distance(whole, found) < 5
    for k, line in enumerate(some):  # a line runs along its own edges or those of a smaller id
        mine = shapely.MultiLineString([[a, b] for a, b, name in edges_of(network) if name <= k])
        along = shapely.line_interpolate_point(
            shapely.LineString(line), np.linspace(0, 1, 40), normalized=True
        )
        assert (shapely.distance(along, mine) < 5).all()


def test_node_ids_are_no_sites_and_no_anchors():
    network = constraint_network([[(0, 0), (5 * CELL, 3 * CELL)], [(9, 9), (9, 40)]], [1, 2])
    assert np.unique(network.node_id).size == network.x.size
    assert is_constraint_node(network.node_id).all()
    assert not is_anchor(network.node_id).any()
    assert not is_constraint_node(pattern("random").sites.id).any()


@pytest.mark.parametrize("cells", [Cells(-1, -1, 2, 3), Cells(0, 0, 1, 1), Cells(7, 7, 9, 9)])
def test_a_rectangle_sees_its_nodes_and_the_edges_between_them(cells):
    wave = [(k * CELL // 3, round(CELL * (1 + np.sin(k)))) for k in range(-9, 12)]
    network = constraint_network([wave, [(0, -CELL), (0, 3 * CELL)]], [1, 2])
    seen = network.within(cells)
    inside = {
        (x, y)
        for x, y in zip(network.x.tolist(), network.y.tolist(), strict=True)
        if (x // CELL, y // CELL)
        in {(i, j) for i in range(cells[0], cells[2]) for j in range(cells[1], cells[3])}
    }
    expected = [edge for edge in edges_of(network) if {edge[0], edge[1]} <= inside]
    assert edges_of(seen) == expected
    assert set(zip(seen.x.tolist(), seen.y.tolist(), strict=True)) == inside


def test_a_node_on_a_site_is_merged_into_it():
    site = pattern("random").sites.take(np.array([20_00]))
    x, y = int(site.x[0]), int(site.y[0])
    network = constraint_network([[(x, y), (x + 50, y + 7)]], [3])
    cells = Cells(x // CELL, y // CELL, x // CELL + 1, y // CELL + 1)
    kept = distinct(checked(with_nodes(pattern("random"), network.within)(cells), cells))
    at = np.flatnonzero(kept.sites.id == site.id[0])[0]
    merged = kept.merged[kept.merged_offsets[at] : kept.merged_offsets[at + 1]]
    assert is_constraint_node(merged).tolist() == [True]


def test_the_source_with_nodes_is_canonical():
    network = constraint_network([[(-3 * CELL, 5), (3 * CELL, 2 * CELL)]], [0])
    cells = Cells(-2, -1, 3, 2)
    found = checked(with_nodes(world([5, 5], [5, 5]), network.within)(cells), cells)
    assert is_constraint_node(found.id).sum() == len(found) - 2 > 4
