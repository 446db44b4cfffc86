"""Whether the Voronoi cells of many tiles fit together, from their stored coordinates.

Belongs here: edges of cells that cancel across the borders of tiles. Not here: triangles and
neighbours (`joins`), one tile's exact cells (`cell_verification`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import Lattice, id_cells
from synthgrid_assets.tessellation.circumcentres import VERTEX_SCALE
from synthgrid_assets.tessellation.proofs.borders import cell_border, ring_edges
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.joins import Join
from synthgrid_assets.tessellation.proofs.numbering import first_of, numbered_pairs
from synthgrid_assets.tessellation.proofs.opposites import left_over

_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@dataclass(frozen=True, eq=False)
class StoredCells:
    """A tile's Voronoi cells as its file holds them.

    Parameters
    ----------
    tile : int
        Its number.
    site_id : ndarray of int64, shape (n,)
    area : ndarray of float64, shape (n,)
        In square metres.
    xy : ndarray of float64, shape (m, 2)
        CRS coordinates of all rings, each closed and counter-clockwise.
    offsets : ndarray of int64, shape (n + 1,)
    """

    tile: int
    site_id: NDArray[np.int64]
    area: NDArray[np.float64]
    xy: NDArray[np.float64]
    offsets: NDArray[np.int64]


class CellJoin(Join):
    """Cells of many tiles are one tessellation: neighbours share edges bit for bit.

    Kinds of faults: ``misplaced``, cells of sites that are not in their tile; ``repeated``,
    sites with more than one cell; ``wrong_area``, areas that are not their rings';
    ``open_edges``, edges that no other cell has the other way round, though the tile of the cell
    beyond is there.

    Parameters
    ----------
    coverage : Coverage
        The tiles that are going to be added.
    lattice : Lattice

    Notes
    -----
    A cell's site lies somewhere in the atom cell that its id names. Mirrored in an edge
    that is left, that square holds the site beyond; it is there if all of the square is.
    Edges too short to say where it lies are passed over, so no healthy edge is counted.
    """

    kinds = ("misplaced", "repeated", "wrong_area", "open_edges")

    def __init__(self, coverage: Coverage, lattice: Lattice) -> None:
        super().__init__(coverage)
        self._lattice = lattice
        self._edge = np.empty((0, 4))  # x and y of tail and head
        self._owner = np.empty((0, 2), np.int64)  # site id and number of tile

    def add(self, tiles: Sequence[StoredCells]) -> None:
        """Join the cells of one more row of tiles."""
        if tiles and not self._join_borders(tiles):
            self._join_all(tiles)

    def _join_borders(self, tiles: Sequence[StoredCells]) -> bool:
        """Whether the tiles join without a fault that is not one of an edge left open."""
        edges, owners, homes = [self._edge], [self._owner], self._coverage.homes
        for one in tiles:
            if self._wrong_areas(one).any():
                return False
            place, _ = numbered_pairs(*_bits(one.xy))
            sound, row, start = cell_border(one.tile, one.site_id, one.offsets, place, homes)
            if not sound:
                return False
            edges.append(np.hstack((one.xy[start], one.xy[start + 1])))
            owners.append(np.column_stack((one.site_id[row], np.full(row.size, one.tile))))
        edge = np.concatenate(edges)
        place, _ = numbered_pairs(*_bits(edge.reshape(-1, 2)))
        left = left_over(place[0::2], place[1::2])
        self._edge, self._owner = edge[left], np.concatenate(owners)[left]
        return True

    def _wrong_areas(self, cells: StoredCells) -> NDArray[np.bool_]:
        """Which cells have another area than their rings."""
        area, slack = _areas(cells.xy, cells.offsets, self._rounding(cells.xy))
        return np.asarray(np.abs(area - cells.area / self._lattice.unit**2) > slack)

    def _join_all(self, tiles: Sequence[StoredCells]) -> None:
        """Join all cells of a row of tiles."""
        tile = np.repeat([one.tile for one in tiles], [one.site_id.size for one in tiles])
        site = np.concatenate([one.site_id for one in tiles])
        home = self._coverage.number_of_ids(site)
        self._count("misplaced", tile[home != tile])
        number, _ = numbered_pairs(site, site)
        self._count("repeated", tile[~first_of(number)])
        self._count("wrong_area", tile[np.concatenate([self._wrong_areas(one) for one in tiles])])
        known, added = len(self._edge), np.concatenate([one.xy for one in tiles])
        sizes = np.concatenate([np.diff(one.offsets) for one in tiles])
        place, _ = numbered_pairs(*_bits(np.concatenate((self._edge.reshape(-1, 2), added))))
        row, start = ring_edges(np.concatenate(([0], np.cumsum(sizes))), place[2 * known :])
        tail = np.concatenate((place[: 2 * known : 2], place[2 * known + start]))
        head = np.concatenate((place[1 : 2 * known : 2], place[2 * known + start + 1]))
        left = left_over(tail, head)
        row, start = row[left[known:]], start[left[known:]]
        edge = np.hstack((added[start], added[start + 1]))
        owner = np.column_stack((site[row], tile[row]))
        self._edge = np.concatenate((self._edge[left[:known]], edge))
        self._owner = np.concatenate((self._owner[left[:known]], owner))

    def close(self) -> None:
        """Count the edges that are still open: call it once, after the last row."""
        self._count("open_edges", self._owner[self._faces_covered(), 1])

    def _rounding(self, xy: NDArray[np.float64]) -> float:
        """Units of the CRS by which a stored coordinate may be off."""
        largest = float(np.abs(xy).max(initial=0.0))
        return self._lattice.step / VERTEX_SCALE + 4 * float(np.spacing(largest))

    def _faces_covered(self) -> NDArray[np.bool_]:
        """Which open edges have a cell beyond them whose tile is there."""
        origin, cell = np.array(self._lattice.origin), self._lattice.cell_in_crs
        p, q = ((self._edge[:, k : k + 2] - origin) / cell for k in (0, 2))
        square = np.column_stack(id_cells(self._owner[:, 0]))[:, None] + _CORNERS
        along = q - p
        length = np.maximum(np.hypot(*along.T), 1e-300)
        normal = np.column_stack((-along[:, 1], along[:, 0])) / length[:, None]
        away = ((square - p[:, None]) * normal[:, None]).sum(axis=2)
        image = square - 2 * away[..., None] * normal[:, None]
        farthest = np.hypot(*np.moveaxis(square - p[:, None], 2, 0)).max(axis=1) + length
        rounding = self._rounding(self._edge) / cell
        slack = (4 * rounding * (1 + farthest / length) + 1e-9)[:, None]
        known = slack[:, 0] < 1
        low, high = image.min(axis=1) - slack, image.max(axis=1) + slack
        low, high = (np.floor(np.where(known[:, None], v, 0)).astype(np.int64) for v in (low, high))
        facing: NDArray[np.bool_] = known & self._coverage.holds(low, high)
        return facing


@njit(cache=True)
def _areas(xy, offsets, rounding):
    """Areas of rings, and by how much rounded coordinates may change them."""
    area, slack = np.zeros(offsets.size - 1), np.zeros(offsets.size - 1)
    for i in range(offsets.size - 1):
        length, across = 0.0, 0.0
        for e in range(offsets[i], offsets[i + 1] - 1):
            px, py = xy[e, 0] - xy[offsets[i], 0], xy[e, 1] - xy[offsets[i], 1]
            qx, qy = xy[e + 1, 0] - xy[offsets[i], 0], xy[e + 1, 1] - xy[offsets[i], 1]
            area[i] += (px * qy - py * qx) / 2
            across += abs(px * qy)
            length += np.sqrt((qx - px) * (qx - px) + (qy - py) * (qy - py))
        slack[i] = 4 * rounding * (length + rounding) + 1e-12 * across
    return area, slack


def _bits(xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Coordinates as integers, shape (2, n): equal where they are equal, -0.0 as 0.0."""
    return (xy + 0.0).view(np.int64).T
