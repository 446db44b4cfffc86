"""The checks of triangles: silent on sound rows, loud on every planted damage."""

import numpy as np
import pytest

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.proofs.verification import triangle_faults
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import triangle_order
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, pattern

TILE = Cells(-3, -2, 4, 3)


def rows(name: str):
    found = tessellate(pattern(name), TILE)
    return found.triangles.copy(), found.triangle_xy.copy()


@pytest.mark.parametrize("name", PATTERNS)
def test_sound_rows_have_no_fault(name):
    assert triangle_faults(*rows(name), TILE).total == 0


def test_no_rows_have_no_fault():
    nothing = np.empty((0, 3), np.int64), np.empty((0, 6), np.int64)
    assert triangle_faults(*nothing, TILE).total == 0


def move_a_corner(ids, xy, row, rng):
    xy[row, rng.integers(6)] += rng.choice([-1, 1])
    return ids, xy


def move_a_corner_far(ids, xy, row, rng):
    xy[row, rng.integers(6)] = rng.choice([-(2**63), 2**63 - 1, 2**40])
    return ids, xy


def swap_two_corners(ids, xy, row, rng):
    ids[row], xy[row] = ids[row, [1, 0, 2]], xy[row, [2, 3, 0, 1, 4, 5]]
    return ids, xy


def turn_a_triangle(ids, xy, row, rng):
    ids[row], xy[row] = np.roll(ids[row], 1), np.roll(xy[row], 2)
    return ids, xy


def rename_a_corner(ids, xy, row, rng):
    # of a corner that stands in one row only, rows cannot know another name
    often = [k for k in range(3) if (ids == ids[row, k]).sum() > 1]
    ids[row, rng.choice(often)] += 1
    return ids, xy


def repeat_a_triangle(ids, xy, row, rng):
    return np.insert(ids, row, ids[row], axis=0), np.insert(xy, row, xy[row], axis=0)


def exchange_two_rows(ids, xy, row, rng):
    other = (row + 1) % len(ids)
    ids[[row, other]], xy[[row, other]] = ids[[other, row]], xy[[other, row]]
    return ids, xy


def copy_another_row(ids, xy, row, rng):
    other = (row + 7) % len(ids)
    ids[row], xy[row] = ids[other], xy[other]
    return ids, xy


@pytest.mark.parametrize(
    "damage",
    [
        move_a_corner,
        move_a_corner_far,
        swap_two_corners,
        turn_a_triangle,
        rename_a_corner,
        repeat_a_triangle,
        exchange_two_rows,
        copy_another_row,
    ],
)
@pytest.mark.parametrize("name", ["random", "lattice"])
def test_one_damaged_row_is_always_found(damage, name):
    rng = np.random.default_rng(9)
    ids, xy = rows(name)
    for row in rng.choice(len(ids), 20, replace=False):
        damaged = damage(ids.copy(), xy.copy(), int(row), rng)
        assert triangle_faults(*damaged, TILE).total > 0


def moved_site(ids, xy, site, by):
    xy = xy.copy()
    at = ids == site
    xy[:, 0::2][at] += by[0]
    xy[:, 1::2][at] += by[1]
    return xy


def test_a_site_that_moved_in_every_row_breaks_delaunay_or_overlaps():
    """Ids and places still agree, so only geometry can tell."""
    ids, xy = rows("random")
    inner = ids[:, 0][(np.abs(xy) < CELL).all(axis=1)]
    for site in np.unique(inner):
        faults = triangle_faults(ids, moved_site(ids, xy, site, (CELL, CELL // 2)), TILE)
        assert faults.ambiguous == 0
        assert faults.degenerate + faults.overlapping + faults.not_delaunay > 0


def flipped(ids, xy, row, other):
    """The two triangles of a quadrilateral with its other diagonal, in canonical order."""
    a = dict(zip(ids[row].tolist(), xy[row].reshape(3, 2).tolist(), strict=True))
    b = dict(zip(ids[other].tolist(), xy[other].reshape(3, 2).tolist(), strict=True))
    (apex,), (opposite,) = set(a) - set(b), set(b) - set(a)
    u = ids[row][(ids[row].tolist().index(apex) + 1) % 3]
    v = ids[row][(ids[row].tolist().index(apex) + 2) % 3]
    where = a | b
    ids, xy = ids.copy(), xy.copy()
    for k, corners in ((row, (apex, u, opposite)), (other, (opposite, v, apex))):
        corners = [int(c) for c in corners]
        first = corners.index(min(corners, key=lambda c: where[c]))
        corners = corners[first:] + corners[:first]
        ids[k], xy[k] = corners, [v for c in corners for v in where[c]]
    order = triangle_order(xy)
    return ids[order], xy[order]


def test_the_wrong_diagonal_of_a_cocircular_square_is_found():
    """Both diagonals are Delaunay; only one is canonical."""
    ids, xy = rows("lattice")
    width = np.ptp(xy.reshape(-1, 3, 2), axis=1)
    assert (width == CELL // 2).all()  # so the rows come in squares: a-b-c and a-c-d
    inside = np.flatnonzero((np.abs(xy) < CELL).all(axis=1))
    tried = 0
    for row in inside:
        partner = np.flatnonzero((ids[:, 0] == ids[row, 0]) & (ids[:, 1] == ids[row, 2]))
        for other in partner:
            faults = triangle_faults(*flipped(ids, xy, row, other), TILE)
            assert faults.not_delaunay > 0
            assert faults.degenerate == faults.overlapping == faults.ambiguous == 0
            tried += 1
    assert tried == 4


def test_a_missing_triangle_between_two_others_of_its_corner_is_a_gap():
    ids, xy = rows("random")
    shared = np.flatnonzero(np.bincount(np.unique(ids[:, 0], return_inverse=True)[1]) >= 3)
    corner = np.unique(ids[:, 0])[shared[0]]
    fan = np.flatnonzero(ids[:, 0] == corner)
    middle = next(k for k in fan if ids[k, 1] in ids[fan, 2] and ids[k, 2] in ids[fan, 1])
    faults = triangle_faults(np.delete(ids, middle, 0), np.delete(xy, middle, 0), TILE)
    assert faults.gaps == 1
    assert faults.total == 1


def test_gaps_are_counted_alike_in_any_order_of_rows():
    ids, xy = rows("random")
    rng = np.random.default_rng(2)
    for left in range(len(ids), len(ids) - 20, -5):
        kept = rng.permutation(len(ids))[:left]
        shuffled = triangle_faults(ids[kept], xy[kept], TILE)
        kept.sort()
        assert triangle_faults(ids[kept], xy[kept], TILE).gaps == shuffled.gaps


@pytest.mark.parametrize("triangles", [5, 500])
def test_gaps_of_few_and_of_very_many_triangles_of_one_corner(triangles):
    turn = np.linspace(-1.5, 1.5, triangles + 1)
    around = np.rint(np.column_stack((np.cos(turn), np.sin(turn))) * 2**20).astype(np.int64)
    xy = np.column_stack((np.zeros((triangles, 2), np.int64), around[:-1], around[1:]))
    number = np.arange(1, triangles + 1)
    ids = np.column_stack((np.zeros(triangles, np.int64), number, number + 1))
    for missing in ([], [2], [1, 3]):
        faults = triangle_faults(np.delete(ids, missing, 0), np.delete(xy, missing, 0), TILE)
        assert faults.gaps == len(missing)


def test_triangles_of_another_tile_are_misplaced():
    ids, xy = rows("random")
    assert triangle_faults(ids, xy, Cells(-3, -2, 3, 3)).describe().endswith("misplaced")
