"""The tessellation of a rectangle of cells, as integer rows in canonical order.

Belongs here: the record, and joining the records of disjoint rectangles. Not here: how it
is computed (`tessellate`), its geometry in metres (`polygons`), its proof (`verification`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells, Lattice
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.predicates import AREA_BITS
from synthgrid_assets.tessellation.sites import canonical_order


@dataclass(frozen=True)
class Tessellation:
    """Voronoi cells of the sites in a rectangle, and the Delaunay triangles it owns.

    A site belongs to the cell it lies in, a triangle to the cell of its lexicographically
    smallest corner. So the rows of disjoint rectangles are disjoint, and together they are
    the rows of their union.

    Parameters
    ----------
    cells : Cells
        The rectangle.
    loaded : Cells
        The rectangle of the sites that certify it.
    site_id : ndarray of int64, shape (n,)
        In canonical order: by cell row, cell column, x, y.
    x, y : ndarray of int64, shape (n,)
        Quanta.
    anchor : ndarray of bool, shape (n,)
        Sites that stand for an empty super-cell (`anchors`).
    merged, merged_offsets : ndarray of int64, shapes (k,) and (n + 1,)
        Ids of the sites at the same place that each site stands for.
    n_neighbours : ndarray of int64, shape (n,)
        Delaunay degree.
    ring, ring_offsets : ndarray of int64, shapes (m, 2) and (n + 1,)
        Closed rings in 2**-10 quanta, counter-clockwise, each from its lexicographically
        smallest vertex.
    doubled_area : ndarray of int64, shape (n, 2)
        ``high * 2**40 + low`` is twice the exact area of a ring in units of 2**-20 square
        quanta; low lies in [0, 2**40), so sums of either column stay exact.
    valid : ndarray of bool, shape (n,)
        Whether a ring is simple and encloses an area; others are kept as they are.
    neighbour, neighbour_offsets : ndarray of int64, shapes (d,) and (n + 1,)
        Ids of the Delaunay neighbours, counter-clockwise from the lexicographically smallest.
    shared : ndarray of float64, shape (d,)
        Length of the Voronoi edge shared with each neighbour, in quanta.
    triangles : ndarray of int64, shape (t, 3)
        Site ids, counter-clockwise from the smallest corner; by that corner in canonical
        order, then by the second corner's x and y.
    triangle_xy : ndarray of int64, shape (t, 6)
        Their coordinates ``ax, ay, bx, by, cx, cy`` in quanta.
    """

    cells: Cells
    loaded: Cells
    site_id: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    anchor: NDArray[np.bool_]
    merged: NDArray[np.int64]
    merged_offsets: NDArray[np.int64]
    n_neighbours: NDArray[np.int64]
    ring: NDArray[np.int64]
    ring_offsets: NDArray[np.int64]
    doubled_area: NDArray[np.int64]
    valid: NDArray[np.bool_]
    neighbour: NDArray[np.int64]
    neighbour_offsets: NDArray[np.int64]
    shared: NDArray[np.float64]
    triangles: NDArray[np.int64]
    triangle_xy: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.site_id.size)

    @property
    def halo(self) -> int:
        """Cells loaded beyond the rectangle, on the side where they were most."""
        return widest_halo(self.cells, self.loaded)

    def area(self, lattice: Lattice) -> NDArray[np.float64]:
        """Areas of the cells in square metres, shape (n,)."""
        high, low = self.doubled_area.T.astype(np.float64)
        doubled = high * 2.0**AREA_BITS + low
        unit = lattice.quantum / VERTEX_SCALE
        areas: NDArray[np.float64] = doubled * (0.5 * unit * unit)
        return areas

    def rows(self) -> dict[str, NDArray[Any]]:
        """Every array by name: all that two computations of a rectangle must agree on."""
        return {name: getattr(self, name) for name in _ARRAYS}


_RAGGED = {"merged": "merged_offsets", "ring": "ring_offsets"} | dict.fromkeys(
    ("neighbour", "shared"), "neighbour_offsets"
)
_ARRAYS = tuple(
    field.name for field in fields(Tessellation) if field.name not in ("cells", "loaded")
)
TRIANGLE_ARRAYS = ("triangles", "triangle_xy")
RING_ARRAYS = ("ring", "ring_offsets", "doubled_area", "merged", "merged_offsets")
NEIGHBOUR_ARRAYS = ("neighbour", "neighbour_offsets", "shared")


def empty(cells: Cells, loaded: Cells) -> Tessellation:
    """The tessellation of a rectangle without sites."""
    ints = np.empty(0, np.int64)
    zero = np.zeros(1, np.int64)
    return Tessellation(
        cells=cells,
        loaded=loaded,
        site_id=ints,
        x=ints,
        y=ints,
        anchor=np.empty(0, np.bool_),
        merged=ints,
        merged_offsets=zero,
        n_neighbours=ints,
        ring=np.empty((0, 2), np.int64),
        ring_offsets=zero,
        doubled_area=np.empty((0, 2), np.int64),
        valid=np.empty(0, np.bool_),
        neighbour=ints,
        neighbour_offsets=zero,
        shared=np.empty(0),
        triangles=np.empty((0, 3), np.int64),
        triangle_xy=np.empty((0, 6), np.int64),
    )


def merge(parts: Sequence[Tessellation]) -> Tessellation:
    """Join the tessellations of rectangles that tile a rectangle.

    Parameters
    ----------
    parts : sequence of Tessellation
        Of disjoint rectangles, in any order; together they cover a rectangle.

    Returns
    -------
    Tessellation
        Array for array what `tessellate` returns for the whole rectangle.

    Raises
    ------
    GeometryError
        If the rectangles overlap or leave a gap.

    Examples
    --------
    >>> whole = merge([empty(Cells(i, 0, i + 1, 1), Cells(i, 0, i + 1, 1)) for i in (1, 0)])
    >>> whole.cells
    Cells(ix0=0, iy0=0, ix1=2, iy1=1)
    """
    return merge_rows(
        [part.cells for part in parts],
        [part.loaded for part in parts],
        [part.rows() for part in parts],
    )


def merge_rows(
    cells: Sequence[Cells],
    loaded: Sequence[Cells],
    rows: Sequence[Mapping[str, NDArray[Any]]],
    leave_out: Collection[str] = (),
) -> Tessellation:
    """Join tessellations as `merge` does, one array after the other.

    Parameters
    ----------
    cells, loaded : sequence of Cells
        The rectangle of each part, and that of the sites that certify it.
    rows : sequence of mapping
        `Tessellation.rows` of each part. An array is asked for when it is joined and let go of
        then, so parts that lie in files need memory for one array at a time.
    leave_out : collection of str
        Arrays that nobody will look at: they stay empty.
    """
    check_tiling(cells, bounds(cells))
    first, wanted = rows[0], [name for name in _ARRAYS if name not in leave_out]
    sites = _runs(cells, [row["y"] for row in rows])
    joined = {name: first[name][:0] for name in leave_out}
    if "triangles" in wanted:
        triangles = _runs(cells, [row["triangle_xy"][:, 1].copy() for row in rows])
    for name in wanted:
        if name in _RAGGED:
            offsets_name = _RAGGED[name]
            offsets = [row[offsets_name] for row in rows]
            entries = [(k, int(offsets[k][i]), int(offsets[k][j])) for k, i, j in sites]
            joined[name] = _joined([row[name] for row in rows], entries)
            sizes = _joined([np.diff(part) for part in offsets], sites)
            joined[offsets_name] = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
        elif name not in _RAGGED.values():
            runs = triangles if name.startswith("triangle") else sites
            joined[name] = _joined([row[name] for row in rows], runs)
    return Tessellation(cells=bounds(cells), loaded=bounds(loaded), **joined)


def _runs(parts: Sequence[Cells], y: Sequence[NDArray[np.int64]]) -> list[tuple[int, int, int]]:
    """Runs (part, start, end) of rows in canonical order.

    In canonical order a part's rows of one cell row stand together, and by the parts'
    columns they follow each other: joining is copying, nothing need be sorted.
    """
    found = []
    for k, part in enumerate(parts):
        row = np.arange(part.iy0, part.iy1 + 1)
        edges = np.searchsorted(y[k], row << CELL_BITS)
        for iy, start, end in zip(row.tolist(), edges.tolist(), edges[1:].tolist(), strict=False):
            if start < end:
                found.append((iy, part.ix0, k, start, end))
    runs: list[tuple[int, int, int]] = []
    for _, _, k, start, end in sorted(found):
        if runs and runs[-1][0] == k and runs[-1][2] == start:
            runs[-1] = (k, runs[-1][1], end)
        else:
            runs.append((k, start, end))
    return runs


def _joined(arrays: Sequence[NDArray[Any]], runs: list[tuple[int, int, int]]) -> NDArray[Any]:
    return np.concatenate([arrays[0][:0], *(arrays[k][start:end] for k, start, end in runs)])


def cell_order(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stable permutation by cell row and cell column.

    A cell's rows come from one part and stand in canonical order there, so this puts the
    rows of all parts in canonical order; sorted runs make it nearly linear.
    """
    # columns lie within 2**22 of 0, so 2**24 apart rows cannot mix
    key = ((y >> CELL_BITS) << 24) + (x >> CELL_BITS)
    order: NDArray[np.int64] = np.argsort(key, kind="stable")
    return order


def triangle_order(xy: NDArray[np.int64]) -> NDArray[np.int64]:
    """The permutation that sorts triangles by first corner (canonical) and second corner."""
    first = canonical_order(xy[:, 0], xy[:, 1])
    place = np.empty(first.size, np.int64)
    new = np.ones(first.size, np.bool_)
    new[1:] = (np.diff(xy[first, :2], axis=0) != 0).any(axis=1)
    place[first] = np.cumsum(new)
    return np.lexsort((xy[:, 3], xy[:, 2], place))


def widest_halo(cells: Cells, loaded: Cells) -> int:
    """Cells between a rectangle and one around it, on the side where they are most."""
    below = (inner - outer for inner, outer in zip(cells[:2], loaded[:2], strict=True))
    above = (outer - inner for inner, outer in zip(cells[2:], loaded[2:], strict=True))
    return max(*below, *above)


def bounds(rectangles: Sequence[Cells]) -> Cells:
    """The smallest rectangle that covers others."""
    return Cells(
        min(r.ix0 for r in rectangles),
        min(r.iy0 for r in rectangles),
        max(r.ix1 for r in rectangles),
        max(r.iy1 for r in rectangles),
    )


def check_tiling(parts: Sequence[Cells], whole: Cells) -> None:
    """Refuse rectangles that do not tile their bounds (equal areas and no overlap)."""
    covered = np.zeros((whole.height, whole.width), np.int8)
    for part in parts:
        covered[
            part.iy0 - whole.iy0 : part.iy1 - whole.iy0, part.ix0 - whole.ix0 : part.ix1 - whole.ix0
        ] += 1
    wrong = np.argwhere(covered != 1)
    if wrong.size:
        row, column = (int(k) for k in wrong[0])
        raise GeometryError(
            f"{len(parts)} rectangles cover cell ({column + whole.ix0}, {row + whole.iy0}) "
            f"{int(covered[row, column])} times; give rectangles that tile {tuple(whole)}"
        )
