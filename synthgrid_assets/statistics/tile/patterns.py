"""Exact claims about a tile's points: no healthy tile can fail one of these.

Belongs here: claims on the integer columns as they are read back from a tile's table.
Not here: file schema and CRS (`storage`), anything with a p-value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, CELL_LIMIT, MAX_POINTS_PER_CELL, Cells
from synthgrid_assets.verdict import Verdict


def points_lie_in_their_tile(x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells) -> Verdict:
    """Every point lies in the tile's half-open rectangle.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        In quanta.
    cells : Cells
        The tile's cells.

    Examples
    --------
    >>> points_lie_in_their_tile(np.array([0, 1 << 22]), np.array([0, 0]), Cells(0, 0, 1, 1)).detail
    '1 of 2 points lie outside cells (0, 0, 1, 1), first at (4194304, 0) quanta'
    """
    x0, y0, x1, y1 = cells.quanta()
    outside = (x < x0) | (x >= x1) | (y < y0) | (y >= y1)
    broken = int(np.count_nonzero(outside))
    detail = f"all {x.size} points lie in cells {tuple(cells)}"
    if broken:
        at = int(np.argmax(outside))
        detail = (
            f"{broken} of {x.size} points lie outside cells {tuple(cells)}, "
            f"first at ({int(x[at])}, {int(y[at])}) quanta"
        )
    return Verdict.exact("points_lie_in_their_tile", broken, detail)


def points_are_canonical(
    x: NDArray[np.int64], y: NDArray[np.int64], ids: NDArray[np.int64]
) -> Verdict:
    """Rows stand in canonical order and each id is its cell and its place in that cell.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        In quanta.
    ids : ndarray of int64, shape (n,)
        Public ids (`lattice.cells.point_ids`).

    Notes
    -----
    Order is by cell row, cell column, x, y. With places 0, 1, 2, ... in every cell, ids
    are unique, and a row that was lost, doubled or moved shows, unless it was the last
    one of its cell.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import point_ids
    >>> cell = np.zeros(2, np.int64)
    >>> ids = point_ids(cell, cell, np.array([0, 1]))
    >>> points_are_canonical(np.array([5, 7]), np.array([9, 8]), ids).passed
    True
    >>> points_are_canonical(np.array([7, 5]), np.array([8, 9]), ids).detail
    'row 1: out of order (1 broken rows of 2)'
    """
    if not (x.shape == y.shape == ids.shape) or x.ndim != 1:
        shapes = f"x {x.shape}, y {y.shape}, id {ids.shape}"
        return Verdict.exact("points_are_canonical", 1, f"columns of unequal length: {shapes}")
    if x.size == 0:
        return Verdict.exact("points_are_canonical", 0, "no rows")
    detail = f"{x.size} rows in canonical order with their own ids"
    if _are_canonical(x, y, ids):
        return Verdict.exact("points_are_canonical", 0, detail)
    faults = _faults(x, y, ids)
    bad = np.logical_or.reduce(list(faults.values()))
    broken, at = int(np.count_nonzero(bad)), int(np.argmax(bad))
    what = ", ".join(name for name, rows in faults.items() if rows[at])
    detail = f"row {at}: {what} ({broken} broken rows of {x.size})"
    return Verdict.exact("points_are_canonical", broken, detail)


def points_do_not_depend_on_the_tile(
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    redrawn: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> Verdict:
    """The tile's rows are those that a larger rectangle has there.

    Parameters
    ----------
    rows : tuple of ndarray of int64, each of shape (n,)
        Columns x, y and id as they were written.
    redrawn : tuple of ndarray of int64, each of shape (k,)
        The same columns of the points in the tile, drawn with a wider rectangle.

    Notes
    -----
    A row that is missing, doubled, moved or seeded by the tile fails, wherever it is. A wrong
    law does not: both drawings share it.

    Examples
    --------
    >>> column = np.array([1, 2])
    >>> points_do_not_depend_on_the_tile((column,) * 3, (column[:1],) * 3).detail
    'rows 1 to 1 of 2 are not those of a wider rectangle, which has 1'
    """
    test, (n, k) = "points_do_not_depend_on_the_tile", (rows[0].size, redrawn[0].size)
    both = min(n, k)
    differs = np.logical_or.reduce(
        [own[:both] != other[:both] for own, other in zip(rows, redrawn, strict=True)]
    )
    broken = int(np.count_nonzero(differs)) + abs(n - k)
    if not broken:
        return Verdict.exact(test, 0, f"{n} rows, the same in a wider rectangle")
    first = int(np.argmax(differs)) if differs.any() else both
    detail = f"rows {first} to {n - 1} of {n} are not those of a wider rectangle, which has {k}"
    return Verdict.exact(test, broken, detail)


@njit(cache=True)
def _are_canonical(x: NDArray[np.int64], y: NDArray[np.int64], ids: NDArray[np.int64]) -> bool:
    """Whether `_faults` finds none."""
    ix, iy, place = np.int64(0), np.int64(0), 0
    for i in range(x.size):
        column, row = x[i] >> CELL_BITS, y[i] >> CELL_BITS
        place += 1
        if i == 0 or column != ix or row != iy:
            if i > 0 and (row < iy or (row == iy and column < ix)):
                return False
            ix, iy, place = column, row, 0
        elif x[i] < x[i - 1] or (x[i] == x[i - 1] and y[i] < y[i - 1]):
            return False
        if ids[i] >> 39 != ix + CELL_LIMIT or ids[i] >> 16 & 0x7FFFFF != iy + CELL_LIMIT:
            return False
        if ids[i] & (MAX_POINTS_PER_CELL - 1) != place:
            return False
    return True


def _faults(
    x: NDArray[np.int64], y: NDArray[np.int64], ids: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Which rows break which rule, by the rule's name for people."""
    ix, iy = x >> CELL_BITS, y >> CELL_BITS
    same_cell = _first_false((ix[1:] == ix[:-1]) & (iy[1:] == iy[:-1]))
    cell_before = (iy[1:] < iy[:-1]) | ((iy[1:] == iy[:-1]) & (ix[1:] < ix[:-1]))
    point_before = (x[1:] < x[:-1]) | ((x[1:] == x[:-1]) & (y[1:] < y[:-1]))
    out_of_order = _first_false(cell_before) | (same_cell & _first_false(point_before))
    starts = np.flatnonzero(~same_cell)
    place = np.arange(x.size) - np.repeat(starts, np.diff(np.r_[starts, x.size]))
    own_cell = (ids >> 39 == ix + CELL_LIMIT) & (ids >> 16 & 0x7FFFFF == iy + CELL_LIMIT)
    return {
        "out of order": out_of_order,
        "id of another cell": ~own_cell,
        "id of another place in its cell": ids & (MAX_POINTS_PER_CELL - 1) != place,
    }


def _first_false(later: NDArray[Any]) -> NDArray[np.bool_]:
    """A comparison of each row with the one before, False for the first row."""
    return np.concatenate([np.zeros(1, bool), later])
