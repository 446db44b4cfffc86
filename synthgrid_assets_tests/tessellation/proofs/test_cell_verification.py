"""The checks of cells and seams: silent on sound rows, loud on every planted damage."""

from dataclasses import replace

import numpy as np
import pytest

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.proofs import cell_verification
from synthgrid_assets.tessellation.proofs.cell_verification import cell_faults
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, empty
from synthgrid_assets.tessellation.voronoi import area_around
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, pattern
from synthgrid_assets_tests.tessellation.seams import seam_faults

TILE = Cells(-3, -2, 4, 3)
ARRAYS = ("x", "y", "ring", "ring_offsets", "doubled_area")


def faults_of(found: Tessellation):
    return cell_faults(*(getattr(found, name) for name in ARRAYS), found.cells)


def copy_of(found: Tessellation) -> Tessellation:
    return replace(found, **{name: getattr(found, name).copy() for name in ARRAYS})


def with_true_areas(found: Tessellation) -> Tessellation:
    """Areas recomputed from the rings, as whoever damaged the rings on purpose would do."""
    for k, (start, end) in enumerate(
        zip(found.ring_offsets[:-1], found.ring_offsets[1:], strict=True)
    ):
        x, y = 1024 * found.x[k], 1024 * found.y[k]
        found.doubled_area[k] = area_around(found.ring, start, end - 1, x, y)[:2]
    return found


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("cells", [TILE, Cells(0, 0, 1, 7), Cells(5, 5, 6, 6)])
def test_sound_rows_have_no_fault(name, cells):
    faults = faults_of(tessellate(pattern(name), cells))
    assert faults.total == 0, faults.describe()


def test_no_rows_have_no_fault():
    assert faults_of(empty(TILE, TILE)).total == 0


def move_a_vertex(found, at, rng):
    found.ring[at] += rng.integers(0, 2, 2) * 2 - 1


def move_a_vertex_beyond_range(found, at, rng):
    found.ring[at, 0] = 2**63 - 1


def exchange_two_vertices(found, at, rng):
    found.ring[[at, at + 1]] = found.ring[[at + 1, at]]


def repeat_a_vertex(found, at, rng):
    found.ring[at] = found.ring[at + 1]


def change_an_area(found, at, rng):
    found.doubled_area[at % len(found), 1] ^= 1


def shift_the_rings(found, at, rng):
    found.ring_offsets[1 + at % (len(found) - 1)] += 1


def move_a_site(found, at, rng):
    found.x[at % len(found)] += 300


@pytest.mark.parametrize(
    "damage",
    [
        move_a_vertex,
        move_a_vertex_beyond_range,
        exchange_two_vertices,
        repeat_a_vertex,
        change_an_area,
        shift_the_rings,
        move_a_site,
    ],
)
@pytest.mark.parametrize("name", ["random", "lattice", "tight"])
def test_one_damaged_row_is_always_found(damage, name):
    rng = np.random.default_rng(9)
    found = tessellate(pattern(name), TILE)
    for at in rng.choice(len(found.ring) - 1, 20, replace=False):
        damaged = copy_of(found)
        damage(damaged, int(at), rng)
        assert faults_of(damaged).total > 0


@pytest.mark.parametrize("name", ["random", "lattice", "tight"])
def test_edges_followed_one_by_one_are_judged_as_all_edges_together(name, monkeypatch):
    """Rows of which no edge runs twice are followed; the counts of all edges must agree."""
    rng = np.random.default_rng(9)
    found = tessellate(pattern(name), TILE)
    damages = (move_a_vertex, exchange_two_vertices, change_an_area, move_a_site)
    for at in rng.choice(len(found) - 1, 20, replace=False):
        damaged = copy_of(found)
        damages[at % len(damages)](damaged, int(at), rng)
        followed = faults_of(damaged)
        with monkeypatch.context() as patched:
            patched.setattr(cell_verification, "_paired", lambda *_: (None, False))
            assert faults_of(damaged) == followed


def test_a_vertex_that_moved_in_every_ring_is_off_its_bisectors():
    """Edges still cancel and areas still add up, so only the sites can tell."""
    found = tessellate(pattern("random"), TILE)
    rng = np.random.default_rng(9)
    for at in rng.choice(len(found.ring), 30, replace=False):
        damaged = copy_of(found)
        same = (found.ring == found.ring[at]).all(axis=1)
        damaged.ring[same] += 2000  # two quanta
        faults = faults_of(with_true_areas(damaged))
        assert faults.unbalanced == faults.wrong_area == 0
        assert faults.stray > 0


def test_a_missing_cell_leaves_a_boundary_inside_the_tile():
    found = tessellate(pattern("random"), TILE)
    inner = np.flatnonzero((np.abs(found.x) < CELL) & (np.abs(found.y) < CELL))
    for k in inner:
        keep = np.arange(len(found)) != k
        sizes = np.diff(found.ring_offsets)
        damaged = replace(
            found,
            x=found.x[keep],
            y=found.y[keep],
            doubled_area=found.doubled_area[keep],
            ring=found.ring[np.repeat(keep, sizes)],
            ring_offsets=np.concatenate(([0], np.cumsum(sizes[keep]))),
        )
        assert faults_of(damaged).stray > 0


def test_a_repeated_cell_overlaps_itself():
    found = tessellate(pattern("random"), TILE)
    sizes = np.diff(found.ring_offsets)
    twice = np.arange(len(found)).repeat(np.where(np.arange(len(found)) == 9, 2, 1))
    rings = np.split(found.ring, found.ring_offsets[1:-1])
    damaged = replace(
        found,
        x=found.x[twice],
        y=found.y[twice],
        doubled_area=found.doubled_area[twice],
        ring=np.concatenate([rings[k] for k in twice]),
        ring_offsets=np.concatenate(([0], np.cumsum(sizes[twice]))),
    )
    assert faults_of(damaged).total > 0


def test_a_wrong_sum_of_areas_is_unbalanced():
    found = copy_of(tessellate(pattern("random"), TILE))
    found.doubled_area[3, 0] += 1
    faults = faults_of(found)
    assert faults.wrong_area == 1
    assert faults.unbalanced == 1


@pytest.mark.parametrize("name", PATTERNS)
def test_two_tiles_of_one_world_have_no_seam(name):
    one, other = (
        tessellate(pattern(name), cells) for cells in (Cells(0, 0, 2, 4), Cells(2, 0, 4, 4))
    )
    assert seam_faults(one, other) == seam_faults(other, one) == (0, 0)


def test_tiles_of_two_worlds_have_a_seam():
    """One site less on the other side, as if a tile were left over from an older world."""
    sites = pattern("random").sites
    border = np.flatnonzero(sites.inside(Cells(2, 1, 3, 3)))[0]
    older = type(pattern("random"))(sites.take(np.arange(len(sites)) != border))
    one = tessellate(pattern("random"), Cells(0, 0, 2, 4))
    other = tessellate(older, Cells(2, 0, 4, 4))
    assert sum(seam_faults(one, other)) > 0


def test_a_border_edge_of_another_length_is_unequal():
    one, other = (
        tessellate(pattern("random"), cells) for cells in (Cells(0, 0, 2, 4), Cells(2, 0, 4, 4))
    )
    crossing = np.flatnonzero(np.isin(one.neighbour, other.site_id))[0]
    shared = one.shared.copy()
    shared[crossing] = np.nextafter(shared[crossing], np.inf)
    assert seam_faults(replace(one, shared=shared), other) == (0, 1)
