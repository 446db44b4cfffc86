"""Masks: polygons on the lattice, tested exactly, with the area they cover in each cell.

Belongs here: reading polygons, membership and coverage. Not here: the crossing-number
kernels (`rings`), stored masks (`storage.masks`).

Vertices are transformed to the world's CRS and rounded to quanta once; from then on edges are
straight lines between lattice points. A mask is the union of its polygons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.rings import Edges, index_edges, inside, touched
from synthgrid_assets.inputs.vector_files import VectorFile
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.lattice.hashing import version_hash

ALGORITHM_VERSION = 1
BLOCK = 32  # cells along the side of a coverage block, aligned to lattice point (0, 0)
_POLYGONS = ("Polygon", "MultiPolygon")


class MaskLike(Protocol):
    """Where points may lie: membership, and the area fraction of cells."""

    @property
    def reach(self) -> int:
        """How far, in quanta, membership depends on randomness elsewhere."""
        ...

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each point, in quanta, lies inside: shape (n,)."""
        ...

    def coverage(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each cell inside, south to north: shape (h, w)."""
        ...

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """The same by pixel, shape (h * s, w * s), of a mask that is finer than cells."""
        ...

    def is_empty(self, cells: Cells) -> bool:
        """Whether no part of the cells lies inside."""
        ...


@dataclass(frozen=True, eq=False)
class Mask:
    """A union of polygons whose vertices are lattice points.

    Parameters
    ----------
    x, y : ndarray of int64, shape (v,)
        Vertices of all rings in quanta, each ring's first vertex repeated at its end.
    ring_starts : ndarray of int64, shape (r + 1,)
        Where each ring begins; the last entry is v.
    polygon_of_ring : ndarray of int64, shape (r,)
        Polygon of each ring, ascending from 0; a polygon's first ring is its shell.

    Notes
    -----
    Membership is the crossing number in exact integer arithmetic with the half-open rule
    (Hormann and Agathos 2001): of two polygons that share a border, exactly one contains
    a point of it.

    Examples
    --------
    >>> side = np.array([0, 0, CELL, CELL, 0]), np.array([0, 2 * CELL, 2 * CELL, 0, 0])
    >>> mask = Mask(*side, np.array([0, 5]), np.array([0]))
    >>> mask.contains(np.array([0, CELL]), np.array([0, 0])).tolist()
    [True, False]
    >>> mask.coverage(Cells(0, 0, 2, 1)).tolist()
    [[1.0, 0.0]]
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    ring_starts: NDArray[np.int64]
    polygon_of_ring: NDArray[np.int64]
    reach: ClassVar[int] = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Mask, (self.x, self.y, self.ring_starts, self.polygon_of_ring)

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each lattice point lies inside, exactly.

        Parameters
        ----------
        x, y : ndarray of int64, shape (n,)
            In quanta; fastest when points of one cell stand together.
        """
        return inside(self._edges, x, y)

    def coverage(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each cell inside, south to north: shape (h, w).

        Cells without a border are 0 or 1 exactly; the others have GEOS' area of the
        polygons clipped to the cell, computed in fixed blocks, so that a cell has the same
        value whatever rectangle is asked for.
        """
        cells.check()
        out = np.empty((cells.height, cells.width))
        for block in _blocks(cells):
            part = block.intersection(cells)
            values = self._block_coverage(block)
            out[
                part.iy0 - cells.iy0 : part.iy1 - cells.iy0,
                part.ix0 - cells.ix0 : part.ix1 - cells.ix0,
            ] = values[
                part.iy0 - block.iy0 : part.iy1 - block.iy0,
                part.ix0 - block.ix0 : part.ix1 - block.ix0,
            ]
        return out

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """The same as `coverage`: a pixel is a cell."""
        return self.coverage(cells)

    def is_empty(self, cells: Cells) -> bool:
        """Whether no part of the cells lies inside; as fast for a wide rectangle as for a cell."""
        box = shapely.box(*cells.check())
        nearby = self.polygons[self._tree.query(box)]
        return not (shapely.area(shapely.intersection(nearby, box)) > 0).any()

    @cached_property
    def polygons(self) -> NDArray[np.object_]:
        """The polygons as Shapely geometries, coordinates in cells."""
        rings = shapely.linearrings(
            np.column_stack((self.x, self.y)) / CELL,
            indices=np.repeat(np.arange(self.polygon_of_ring.size), np.diff(self.ring_starts)),
        )
        polygons: NDArray[np.object_] = shapely.polygons(rings, indices=self.polygon_of_ring)
        # rounding may have brought vertices together; an even-odd repair keeps the crossing number
        return np.where(shapely.is_valid(polygons), polygons, shapely.make_valid(polygons))

    @cached_property
    def _edges(self) -> Edges:
        return index_edges(self.x, self.y, self.ring_starts, self.polygon_of_ring)

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.polygons)

    @cached_property
    def _known_blocks(self) -> dict[Cells, NDArray[np.float64]]:
        return {}

    def _block_coverage(self, block: Cells) -> NDArray[np.float64]:
        """Coverage of one fixed block; the last few hundred are kept (8 kB each)."""
        known = self._known_blocks
        if block not in known:
            if len(known) >= 512:
                known.pop(next(iter(known)))
            known[block] = self._compute(block)
        return known[block]

    def _compute(self, block: Cells) -> NDArray[np.float64]:
        iy, ix = np.divmod(np.arange(block.area), block.width)
        corners = (ix + block.ix0) * CELL, (iy + block.iy0) * CELL
        fractions = self.contains(*corners).astype(np.float64)
        border = np.flatnonzero(touched(self._edges, block).ravel())
        if border.size:
            nearby = self.polygons[np.sort(self._tree.query(shapely.box(*block)))]
            # moved to the block's corner: small coordinates keep the areas' last digits
            moved = shapely.transform(
                shapely.intersection(nearby, shapely.box(*block)),
                lambda xy: xy - np.array([block.ix0, block.iy0]),
            )
            boxes = shapely.box(ix[border], iy[border], ix[border] + 1, iy[border] + 1)
            areas = shapely.area(shapely.intersection(boxes, shapely.union_all(moved)))
            fractions[border] = np.clip(areas, 0.0, 1.0)
        return fractions.reshape(block.height, block.width)


@dataclass(frozen=True)
class MaskSource:
    """A vector file whose polygons are the places where points may lie.

    Parameters
    ----------
    path : Path
        Any polygon file that pyogrio reads.
    layer : str or None
        Layer of a file with several.
    """

    path: Path
    layer: str | None = None

    def describe(self, lattice: Lattice, extent: Cells | None = None) -> dict[str, Any]:
        """Everything that decides the mask, as JSON values."""
        return {"algorithm": ALGORITHM_VERSION, **self.file.describe(lattice, extent)}

    def code_version(self, lattice: Lattice, extent: Cells | None = None) -> str:
        """Hash of `describe`: equal versions have equal masks."""
        return version_hash(["mask", self.describe(lattice, extent)])

    def load(self, lattice: Lattice, extent: Cells | None = None) -> Mask:
        """The mask on a lattice.

        Raises
        ------
        SpecError
            If the file is missing or unreadable, has no CRS or no feature, a feature is
            not a valid polygon, or a vertex cannot be placed on the lattice.
        """
        frame = self._read()
        parts = shapely.get_parts(frame.geometry.to_numpy())
        rings, polygon = shapely.get_rings(parts, return_index=True)
        coordinates, ring = shapely.get_coordinates(rings, return_index=True)
        x, y = self.file.on_lattice(coordinates, lattice, extent)
        starts = np.searchsorted(ring, np.arange(rings.size + 1)).astype(np.int64)
        return Mask(x, y, starts, polygon.astype(np.int64))

    @property
    def file(self) -> VectorFile:
        """The file that is read."""
        return VectorFile(self.path, self.layer)

    def _read(self) -> Any:
        """The features, all of them valid polygons."""
        frame = self.file.read()
        self._check(frame.geometry.to_numpy())
        return frame

    def _check(self, geometry: NDArray[np.object_]) -> None:
        for number, shape in enumerate(geometry):
            if shape is None or shape.is_empty:
                raise SpecError(
                    f"{self.path}: feature {number} has no geometry; remove it or give a polygon"
                )
            if shape.geom_type not in _POLYGONS:
                raise SpecError(
                    f"{self.path}: feature {number} is a {shape.geom_type}; a mask takes polygons "
                    "only, and `near` either polygons or points and lines: keep them in files "
                    "or layers of their own"
                )
            if not shape.is_valid:
                raise SpecError(
                    f"{self.path}: feature {number} is no valid polygon "
                    f"({shapely.is_valid_reason(shape)}); repair it, for example with "
                    "GeoDataFrame.make_valid or `ogr2ogr -makevalid`"
                )


def _blocks(cells: Cells) -> Iterator[Cells]:
    for row in range(cells.iy0 // BLOCK, -(-cells.iy1 // BLOCK)):
        for column in range(cells.ix0 // BLOCK, -(-cells.ix1 // BLOCK)):
            x, y = column * BLOCK, row * BLOCK
            yield Cells(x, y, x + BLOCK, y + BLOCK)
